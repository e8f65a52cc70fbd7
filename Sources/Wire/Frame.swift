public import NIOCore

/// The unit of the wire.
///
///     length  4 bytes, big-endian: how many payload bytes follow the kind
///     kind    1 byte: which message the payload holds (the numbers are in the message file)
///     payload `length` bytes: JSON for control messages, raw bytes for chunks of blobs
public struct Frame: Hashable, Sendable {
    /// Length and kind.
    public static let headerBytes = 5

    public var kind: UInt8
    public var payload: ByteBuffer

    public init(kind: UInt8, payload: ByteBuffer) {
        self.kind = kind
        self.payload = payload
    }

    public init(kind: UInt8, payload: [UInt8]) {
        self.init(kind: kind, payload: ByteBuffer(bytes: payload))
    }

    /// The frame's bytes as they go out.
    ///
    /// - Throws: ``FrameError`` where the payload is over the limit: the other side would refuse the frame, and end
    ///   the connection for it.
    public func encoded(payloadBytesLimit: Int = Limits.framePayloadBytes) throws(FrameError) -> ByteBuffer {
        var bytes = ByteBuffer()
        try self.encode(into: &bytes, payloadBytesLimit: payloadBytesLimit)
        return bytes
    }

    /// Appends the frame's bytes to `bytes`; see ``encoded(payloadBytesLimit:)``.
    public func encode(
        into bytes: inout ByteBuffer,
        payloadBytesLimit: Int = Limits.framePayloadBytes
    ) throws(FrameError) {
        guard self.payload.readableBytes <= payloadBytesLimit else {
            throw FrameError(kind: self.kind, payloadBytes: self.payload.readableBytes, limitBytes: payloadBytesLimit)
        }
        bytes.reserveCapacity(minimumWritableBytes: Frame.headerBytes + self.payload.readableBytes)
        bytes.writeInteger(UInt32(self.payload.readableBytes))
        bytes.writeInteger(self.kind)
        bytes.writeImmutableBuffer(self.payload)
    }
}

/// A frame over the limit, going out or coming in. Nothing after it on the connection can be understood.
public struct FrameError: Error, Hashable, CustomStringConvertible {
    public var kind: UInt8
    public var payloadBytes: Int
    public var limitBytes: Int

    public init(kind: UInt8, payloadBytes: Int, limitBytes: Int) {
        self.kind = kind
        self.payloadBytes = payloadBytes
        self.limitBytes = limitBytes
    }

    public var description: String {
        "frame of kind \(self.kind) has \(self.payloadBytes) payload bytes, over the limit of \(self.limitBytes): "
            + "send it in pieces, or look whether both sides run the same version of quintet"
    }
}
