public import NIOCore

/// Cuts a stream of bytes into frames.
///
/// Holds at most one unfinished frame and the bytes of the last ``append(_:)``. After an error every further call to
/// ``next()`` throws it again: the place where the next frame starts is lost.
public struct FrameDecoder: Sendable {
    private let payloadBytesLimit: Int
    private var unread = ByteBuffer()
    private var failure: FrameError?

    public init(payloadBytesLimit: Int = Limits.framePayloadBytes) {
        precondition(payloadBytesLimit >= 0 && payloadBytesLimit <= Int(UInt32.max), "limit \(payloadBytesLimit)")
        self.payloadBytesLimit = payloadBytesLimit
    }

    /// Bytes that wait for the rest of their frame. Not zero at the end of a stream means that it was cut short.
    public var pendingBytes: Int { self.unread.readableBytes }

    /// Takes over the readable bytes of `bytes`.
    public mutating func append(_ bytes: ByteBuffer) {
        if self.unread.readableBytes == 0 {
            self.unread = bytes
        } else {
            self.unread.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame, or nil where its last byte has not come yet.
    ///
    /// - Throws: ``FrameError`` as soon as a header announces more than the limit; its payload is not waited for.
    public mutating func next() throws(FrameError) -> Frame? {
        if let failure = self.failure { throw failure }
        let start = self.unread.readerIndex
        guard let length = self.unread.getInteger(at: start, as: UInt32.self).map(Int.init),
            let kind = self.unread.getInteger(at: start + 4, as: UInt8.self)
        else {
            return nil
        }
        guard length <= self.payloadBytesLimit else {
            let error = FrameError(kind: kind, payloadBytes: length, limitBytes: self.payloadBytesLimit)
            self.failure = error
            self.unread = ByteBuffer()
            throw error
        }
        let total = Frame.headerBytes + length
        guard self.unread.readableBytes >= total else {
            self.makeRoom(for: total)
            return nil
        }
        self.unread.moveReaderIndex(forwardBy: Frame.headerBytes)
        guard let payload = self.unread.readSlice(length: length) else {
            preconditionFailure("\(self.unread.readableBytes) bytes, \(length) wanted")
        }
        // A slice shares its storage: letting go of it here saves `append` a copy of the whole frame.
        if self.unread.readableBytes == 0 { self.unread = ByteBuffer() }
        return Frame(kind: kind, payload: payload)
    }

    /// One allocation for an unfinished frame, whatever number of pieces it comes in.
    private mutating func makeRoom(for total: Int) {
        guard self.unread.writableBytes < total - self.unread.readableBytes else { return }
        var roomy = ByteBuffer()
        roomy.reserveCapacity(total)
        roomy.writeImmutableBuffer(self.unread)
        self.unread = roomy
    }
}
