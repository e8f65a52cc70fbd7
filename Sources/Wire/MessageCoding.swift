internal import Coordination
internal import Digests
internal import Foundation
internal import NIOCore
internal import Sweeps

// Messages as frames: JSON, save for chunks of blobs.

extension WorkerMessage {
    private struct Heartbeat: Codable { var holding: [Lease] }
    private struct OfLease<Payload: Codable>: Codable {
        var lease: Lease
        var payload: Payload
    }

    /// - Throws: `FrameError` where the message does not fit into a frame.
    public func frame() throws -> Frame {
        switch self {
        case .hello(let hello): try Self.frame(.hello, hello)
        case .heartbeat(let holding): try Self.frame(.heartbeat, Heartbeat(holding: holding))
        case .progress(let lease, let progress): try Self.frame(.progress, OfLease(lease: lease, payload: progress))
        case .checkpoint(let lease, let it): try Self.frame(.checkpoint, OfLease(lease: lease, payload: it))
        case .report(let lease, let outcome): try Self.reportFrame(lease, outcome)
        case .handBack(let lease): try Self.frame(.handBack, lease)
        case .draining: Frame(kind: Kind.draining.rawValue, payload: [])
        case .offer(let offer): try Self.frame(.offer, offer)
        case .chunk(let chunk): Frame(kind: Kind.chunk.rawValue, payload: chunk.payload)
        case .fetch(let range): try Self.frame(.fetch, range)
        }
    }

    /// - Throws: ``MessageError`` naming the kind.
    public init(_ frame: Frame) throws(MessageError) {
        guard let kind = Kind(rawValue: frame.kind) else {
            throw MessageError("a frame of kind \(frame.kind) is no message of a worker")
        }
        switch kind {
        case .hello: self = .hello(try decode(frame))
        case .heartbeat: self = .heartbeat(holding: try decode(frame, Heartbeat.self).holding)
        case .progress:
            let it: OfLease<AttemptProgress> = try decode(frame)
            self = .progress(it.lease, it.payload)
        case .checkpoint:
            let it: OfLease<TrainerEvent.Checkpointed> = try decode(frame)
            self = .checkpoint(it.lease, it.payload)
        case .report: try self.init(report: frame)
        case .handBack: self = .handBack(try decode(frame))
        case .draining: self = .draining
        case .offer: self = .offer(try decode(frame))
        case .chunk: self = .chunk(try BlobChunk(payload: frame.payload))
        case .fetch: self = .fetch(try decode(frame))
        }
    }

    private static func frame(_ kind: Kind, _ payload: some Encodable) throws -> Frame {
        try Frame(kind: kind.rawValue, encoding: payload)
    }
}

extension CoordinatorMessage {
    private struct Refusal: Codable { var reason: String }
    private struct OfLease: Codable {
        var lease: Lease
        var digest: Digest
    }
    private struct OfBlob: Codable {
        var digest: Digest
        var offset: Int?
        var reason: String?
    }

    /// - Throws: `FrameError` where the message does not fit into a frame.
    public func frame() throws -> Frame {
        switch self {
        case .welcome(let welcome): try Self.frame(.welcome, welcome)
        case .refused(let reason): try Self.frame(.refused, Refusal(reason: reason))
        case .grant(let grant): try Self.frame(.grant, grant)
        case .revoke(let lease): try Self.frame(.revoke, lease)
        case .handBack(let leases): try Self.frame(.handBack, leases)
        case .settled(let lease): try Self.frame(.settled, lease)
        case .checkpointAccepted(let lease, let digest):
            try Self.frame(.checkpointAccepted, OfLease(lease: lease, digest: digest))
        case .blobMissing(let lease, let digest): try Self.frame(.blobMissing, OfLease(lease: lease, digest: digest))
        case .sendFrom(let digest, let offset): try Self.frame(.sendFrom, OfBlob(digest: digest, offset: offset))
        case .stored(let digest): try Self.frame(.stored, OfBlob(digest: digest))
        case .uploadRefused(let digest, let reason):
            try Self.frame(.uploadRefused, OfBlob(digest: digest, reason: reason))
        case .chunk(let chunk): Frame(kind: Kind.chunk.rawValue, payload: chunk.payload)
        case .downloadRefused(let digest, let reason):
            try Self.frame(.downloadRefused, OfBlob(digest: digest, reason: reason))
        case .dismissed: Frame(kind: Kind.dismissed.rawValue, payload: [])
        case .heartbeat: Frame(kind: Kind.heartbeat.rawValue, payload: [])
        }
    }

    /// - Throws: ``MessageError`` naming the kind.
    public init(_ frame: Frame) throws(MessageError) {
        guard let kind = Kind(rawValue: frame.kind) else {
            throw MessageError("a frame of kind \(frame.kind) is no message of a coordinator")
        }
        switch kind {
        case .welcome: self = .welcome(try decode(frame))
        case .refused: self = .refused(reason: try decode(frame, Refusal.self).reason)
        case .grant: self = .grant(try decode(frame))
        case .revoke: self = .revoke(try decode(frame))
        case .handBack: self = .handBack(try decode(frame))
        case .settled: self = .settled(try decode(frame))
        case .checkpointAccepted:
            let it: OfLease = try decode(frame)
            self = .checkpointAccepted(it.lease, it.digest)
        case .blobMissing:
            let it: OfLease = try decode(frame)
            self = .blobMissing(it.lease, it.digest)
        case .sendFrom:
            let it: OfBlob = try decode(frame)
            guard let offset = it.offset, offset >= 0 else { throw MessageError("a sendFrom without an offset") }
            self = .sendFrom(it.digest, offset: offset)
        case .stored: self = .stored(try decode(frame, OfBlob.self).digest)
        case .uploadRefused:
            let it: OfBlob = try decode(frame)
            self = .uploadRefused(it.digest, reason: it.reason ?? "")
        case .chunk: self = .chunk(try BlobChunk(payload: frame.payload))
        case .downloadRefused:
            let it: OfBlob = try decode(frame)
            self = .downloadRefused(it.digest, reason: it.reason ?? "")
        case .dismissed: self = .dismissed
        case .heartbeat: self = .heartbeat
        }
    }

    private static func frame(_ kind: Kind, _ payload: some Encodable) throws -> Frame {
        try Frame(kind: kind.rawValue, encoding: payload)
    }
}

extension Frame {
    static func json(_ payload: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(payload))
    }

    init(kind: UInt8, encoding payload: some Encodable) throws {
        try self.init(kind: kind, checking: Self.json(payload))
    }

    init(kind: UInt8, checking bytes: [UInt8]) throws {
        guard bytes.count <= Limits.framePayloadBytes else {
            throw FrameError(kind: kind, payloadBytes: bytes.count, limitBytes: Limits.framePayloadBytes)
        }
        self.init(kind: kind, payload: bytes)
    }
}

func decode<Payload: Decodable>(_ frame: Frame, _: Payload.Type = Payload.self) throws(MessageError) -> Payload {
    try decode(frame.payload.readableBytesView, kind: frame.kind)
}

func decode<Payload: Decodable>(_ bytes: ByteBufferView, kind: UInt8) throws(MessageError) -> Payload {
    do {
        return try JSONDecoder().decode(Payload.self, from: Data(bytes))
    } catch {
        throw MessageError("a message of kind \(kind) cannot be read: \(error)")
    }
}

extension BlobChunk {
    fileprivate var payload: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(Self.headerBytes + self.bytes.count)
        buffer.writeBytes(self.digest.bytes)
        buffer.writeInteger(UInt64(self.offset))
        buffer.writeInteger(UInt64(self.totalBytes))
        buffer.writeBytes(self.bytes)
        return buffer
    }

    fileprivate init(payload: ByteBuffer) throws(MessageError) {
        var payload = payload
        guard let digest = payload.readBytes(length: Digest.byteCount),
            let offset = payload.readInteger(as: UInt64.self),
            let total = payload.readInteger(as: UInt64.self),
            let bytes = payload.readBytes(length: payload.readableBytes),
            bytes.count <= Self.bytesLimit, total <= UInt64(Int.max), offset <= total,
            UInt64(bytes.count) <= total - offset
        else {
            throw MessageError("a chunk of a blob whose digest, offset and length do not fit together")
        }
        self.init(digest: Digest(bytes: digest), offset: Int(offset), totalBytes: Int(total), bytes: bytes)
    }
}
