import Coordination
import Digests
import Foundation
import Sweeps
import TestSupport
import Transport
import Wire

/// A worker that trains nothing: a connection that has said hello.
struct LoadWorker: Sendable {
    let connection: Connection
    private static let limits = ConnectionLimits(connectSeconds: 60, handshakeSeconds: 60, idleSeconds: 120)

    /// Connects and waits for the coordinator's welcome.
    init(_ identity: Identity, port: Int, slots: Int, holding: [Lease] = []) async throws {
        self.connection = try await Dialer.connect(
            host: "127.0.0.1",
            port: port,
            identity: identity,
            limits: Self.limits
        )
        let hello = Hello(
            version: "load",
            host: "h",
            slots: slots,
            threads: 1,
            cores: 1,
            memoryBytes: 1 << 30,
            holding: holding
        )
        try await self.send(.hello(hello))
        guard case .welcome = try await self.next() else { throw LoadError("no welcome") }
    }

    func send(_ message: WorkerMessage) async throws { try await self.connection.send(message.frame()) }

    /// - Throws: ``LoadError`` where the coordinator has hung up.
    func next() async throws -> CoordinatorMessage {
        guard let frame = try await self.connection.next() else { throw LoadError("the coordinator hung up") }
        return try CoordinatorMessage(frame)
    }

    /// Answers every grant with a result at once, until there is no more work.
    ///
    /// - Returns: how many results the coordinator has made durable.
    func finishAll() async throws -> Int {
        var settled = 0
        while true {
            switch try await self.next() {
            case .grant(let grant): try await self.send(.report(grant.lease, Self.outcome(grant.lease.key)))
            case .settled: settled += 1
            case .dismissed: return settled
            default: continue
            }
        }
    }

    /// The next grant's lease.
    func lease() async throws -> Lease {
        while true { if case .grant(let grant) = try await self.next() { return grant.lease } }
    }

    static func outcome(_ key: ShardKey) -> Outcome { .finished(exampleResult(key: key), best: nil) }

    /// Sends a blob in windows of chunks, as a worker does, and waits until it is stored.
    func upload(_ bytes: [UInt8], digest: Digest, lease: Lease) async throws {
        try await self.send(.offer(BlobOffer(digest: digest, bytes: bytes.count, lease: lease)))
        var (next, known) = (0, 0)
        while true {
            switch try await self.next() {
            case .sendFrom(digest, let offset):
                (known, next) = (offset, max(next, offset))
                while next < bytes.count, next - known < 16 * BlobChunk.bytesLimit {
                    let part = Array(bytes[next..<min(bytes.count, next + BlobChunk.bytesLimit)])
                    let chunk = BlobChunk(digest: digest, offset: next, totalBytes: bytes.count, bytes: part)
                    try await self.send(.chunk(chunk))
                    next += part.count
                }
            case .stored(digest): return
            case .uploadRefused(digest, let reason): throw LoadError(reason)
            default: continue
            }
        }
    }
}

/// Something that a benchmark cannot go on after.
struct LoadError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
