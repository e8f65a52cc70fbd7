import NIOCore
import Testing
import Wire

@Suite struct FrameTests {
    private let frames = [
        Frame(kind: 1, payload: Array("{\"hello\":true}".utf8)),
        Frame(kind: 255, payload: []),
        Frame(kind: 0, payload: (0..<300).map { UInt8(truncatingIfNeeded: $0) }),
    ]

    private func encoded(_ frames: [Frame]) throws -> [UInt8] {
        var bytes = ByteBuffer()
        for frame in frames { try frame.encode(into: &bytes) }
        return Array(bytes.readableBytesView)
    }

    @Test func `the header is a big-endian length and the kind`() throws {
        let frame = Frame(kind: 7, payload: [UInt8](repeating: 9, count: 258))
        #expect(Array(try frame.encoded().readableBytesView.prefix(6)) == [0, 0, 1, 2, 7, 9])
        #expect(try frame.encoded().readableBytes == Frame.headerBytes + 258)
    }

    /// Goal: where the network cuts the bytes changes nothing.
    /// Method: three frames, cut into two pieces at every position, and into single bytes.
    @Test func `frames survive a cut at every boundary`() throws {
        let bytes = try self.encoded(self.frames)
        for cut in 0...bytes.count {
            #expect(try self.decode([Array(bytes[..<cut]), Array(bytes[cut...])]) == self.frames, "cut at \(cut)")
        }
        #expect(try self.decode(bytes.map { [$0] }) == self.frames)
        #expect(try self.decode([bytes]) == self.frames)
    }

    @Test func `an unfinished frame is pending, not lost`() throws {
        let bytes = try self.encoded([self.frames[0]])
        var decoder = FrameDecoder()
        decoder.append(ByteBuffer(bytes: bytes.dropLast()))
        #expect(try decoder.next() == nil)
        #expect(decoder.pendingBytes == bytes.count - 1)
        decoder.append(ByteBuffer(bytes: bytes.suffix(1)))
        #expect(try decoder.next() == self.frames[0])
        #expect(decoder.pendingBytes == 0)
    }

    @Test func `a frame at the limit passes and one byte more does not`() throws {
        let largest = Frame(kind: 2, payload: [UInt8](repeating: 1, count: 64))
        #expect(
            try self.decode([Array(largest.encoded(payloadBytesLimit: 64).readableBytesView)], limit: 64) == [largest]
        )
        let expected = FrameError(kind: 2, payloadBytes: 64, limitBytes: 63)
        #expect(throws: expected) { try largest.encoded(payloadBytesLimit: 63) }
        #expect(throws: expected) {
            try self.decode([Array(largest.encoded().readableBytesView)], limit: 63)
        }
    }

    @Test func `a header over the limit is refused before its payload comes, and for ever`() throws {
        var decoder = FrameDecoder(payloadBytesLimit: 1024)
        decoder.append(ByteBuffer(bytes: [255, 255, 255, 255, 3]))
        let expected = FrameError(kind: 3, payloadBytes: Int(UInt32.max), limitBytes: 1024)
        #expect(throws: expected) { try decoder.next() }
        decoder.append(ByteBuffer(bytes: [0, 0, 0, 0, 1]))
        #expect(throws: expected) { try decoder.next() }
        #expect("\(expected)".contains("4294967295 payload bytes, over the limit of 1024"))
    }

    private func decode(_ pieces: [[UInt8]], limit: Int = Limits.framePayloadBytes) throws -> [Frame] {
        var decoder = FrameDecoder(payloadBytesLimit: limit)
        var frames: [Frame] = []
        for piece in pieces {
            decoder.append(ByteBuffer(bytes: piece))
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }
}
