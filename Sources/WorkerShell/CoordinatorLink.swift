internal import Coordination
internal import Digests
internal import Files
internal import Foundation
internal import Sweeps
internal import Synchronization
internal import Transport
internal import Wire

/// A worker's connection to the coordinator: sends messages in order, and carries blobs both ways.
final class CoordinatorLink: Sendable {
    private let connection: Connection
    private let messages: AsyncStream<WorkerMessage>
    private let queue: AsyncStream<WorkerMessage>.Continuation
    private let uploads: AsyncStream<Upload>
    private let uploadQueue: AsyncStream<Upload>.Continuation
    /// Who waits for what the coordinator says of a blob.
    private let transfers = Mutex<[Digest: AsyncStream<CoordinatorMessage>.Continuation]>([:])

    struct Upload: Sendable {
        var lease: Lease
        var checkpoint: TrainerEvent.Checkpointed
        var path: String
    }

    /// How many bytes may be on their way before the coordinator has said that it has them.
    private static let windowBytes = 16 * BlobChunk.bytesLimit

    /// Connects, and says hello.
    ///
    /// - Throws: ``WorkerRefused`` where the coordinator says no; errors of `Transport` where nobody is there.
    init(host: String, port: Int, identity: Identity, hello: Hello) async throws {
        var limits = ConnectionLimits()
        limits.idleSeconds = 30
        self.connection = try await Dialer.connect(host: host, port: port, identity: identity, limits: limits)
        (self.messages, self.queue) = AsyncStream.makeStream()
        (self.uploads, self.uploadQueue) = AsyncStream.makeStream()
        try await self.connection.send(WorkerMessage.hello(hello).frame())
        guard let frame = try await self.connection.next() else { throw BlobError("the coordinator hung up") }
        switch try CoordinatorMessage(frame) {
        case .welcome(let welcome):
            guard welcome.magic == ProtocolVersion.magic, welcome.protocolVersion == ProtocolVersion.current else {
                throw WorkerRefused("the coordinator speaks protocol \(welcome.protocolVersion); run the same quintet")
            }
        case .refused(let reason): throw WorkerRefused(String(reason.prefix(500)))
        default: throw MessageError.unexpected("the coordinator's first message is no welcome")
        }
    }

    var id: ObjectIdentifier { ObjectIdentifier(self) }

    func send(_ message: WorkerMessage) { self.queue.yield(message) }

    func upload(_ upload: Upload) { self.uploadQueue.yield(upload) }

    func close() { self.connection.close() }

    /// Says what is left to say, and hangs up once the coordinator has heard it, or after a second.
    func farewell() async {
        self.queue.finish()
        let patience = Task {
            try await Task.sleep(for: .seconds(1))
            self.connection.close()
        }
        await self.connection.waitUntilClosed()
        patience.cancel()
    }

    /// Serves the connection until it ends.
    ///
    /// - Parameters:
    ///   - onMessage: takes what is not about a blob's bytes.
    ///   - onUpload: takes each upload's end: whether the coordinator has recorded it.
    /// - Returns: why it ended, where that is known.
    func run(
        onMessage: @escaping @Sendable (CoordinatorMessage) -> Void,
        onUpload: @escaping @Sendable (Upload, Bool) -> Void
    ) async -> (any Error)? {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await message in self.messages {
                    do { try await self.connection.send(message.frame()) } catch { return self.connection.close() }
                }
                try? await self.connection.finish()
            }
            group.addTask {
                for await upload in self.uploads {
                    guard let isStored = await self.carry(upload) else { continue }
                    onUpload(upload, isStored)
                }
            }
            var failure: (any Error)?
            do {
                while let frame = try await self.connection.next() {
                    let message = try CoordinatorMessage(frame)
                    if !self.pass(message) { onMessage(message) }
                }
            } catch {
                failure = error
            }
            self.connection.close()
            self.queue.finish()
            self.uploadQueue.finish()
            let waiting = self.transfers.withLock { transfers in
                defer { transfers = [:] }
                return transfers.values.map { $0 }
            }
            for transfer in waiting { transfer.finish() }
            group.cancelAll()
            return failure
        }
    }

    /// Hands an answer to the transfer that waits for it.
    private func pass(_ message: CoordinatorMessage) -> Bool {
        let digest: Digest
        switch message {
        case .sendFrom(let it, _), .stored(let it), .uploadRefused(let it, _), .downloadRefused(let it, _),
            .checkpointAccepted(_, let it):
            digest = it
        case .chunk(let chunk): digest = chunk.digest
        default: return false
        }
        self.transfers.withLock { $0[digest] }?.yield(message)
        return true
    }

    private func answers(about digest: Digest) -> AsyncStream<CoordinatorMessage> {
        let (stream, continuation) = AsyncStream<CoordinatorMessage>.makeStream()
        self.transfers.withLock { $0.updateValue(continuation, forKey: digest) }?.finish()
        return stream
    }

    private func endTransfer(of digest: Digest) { self.transfers.withLock { _ = $0.removeValue(forKey: digest) } }

    // MARK: - Blobs

    /// Sends a checkpoint and waits until it is recorded; `nil` where the connection ended first.
    private func carry(_ upload: Upload) async -> Bool? {
        let (digest, total) = (upload.checkpoint.digest, upload.checkpoint.bytes)
        let answers = self.answers(about: digest)
        defer { self.endTransfer(of: digest) }
        var (next, known) = (0, 0)
        do {
            try await self.connection.send(
                WorkerMessage.offer(BlobOffer(digest: digest, bytes: total, lease: upload.lease)).frame()
            )
            for await answer in answers {
                switch answer {
                case .sendFrom(_, let offset):
                    // Going back happens where what came was thrown away.
                    next = offset < known ? offset : max(next, offset)
                    known = offset
                    while next < total, next - known < Self.windowBytes {
                        let chunk = try BlobStore.chunk(
                            of: digest,
                            file: upload.path,
                            offset: next,
                            count: BlobChunk.bytesLimit
                        )
                        guard chunk.totalBytes == total else { return false }
                        try await self.connection.send(WorkerMessage.chunk(chunk).frame())
                        next += chunk.bytes.count
                    }
                    // An empty blob has one empty chunk.
                    if total == 0 {
                        let empty = BlobChunk(digest: digest, offset: 0, totalBytes: 0, bytes: [])
                        try await self.connection.send(WorkerMessage.chunk(empty).frame())
                    }
                case .stored: self.send(.checkpoint(upload.lease, upload.checkpoint))
                case .checkpointAccepted: return true
                case .uploadRefused: return false
                default: continue
                }
            }
            return nil
        } catch is StorageError {
            return false
        } catch is BlobError {
            return false
        } catch {
            return nil
        }
    }

    /// Fetches a blob into a store, from where it stopped.
    ///
    /// - Throws: ``BlobRefused`` where the coordinator does not have it, `BlobError` where the bytes are wrong,
    ///   `StorageError` where they cannot be written, ``LinkLost`` where the connection ended.
    func fetch(_ digest: Digest, into store: BlobStore, bytesLimit: Int) async throws {
        guard !store.contains(digest) else { return }
        let answers = self.answers(about: digest)
        defer { self.endTransfer(of: digest) }
        var asked = store.receivedBytes(of: digest)
        func ask() async throws {
            let range = BlobRange(digest: digest, offset: asked, count: BlobChunk.bytesLimit)
            do { try await self.connection.send(WorkerMessage.fetch(range).frame()) } catch { throw LinkLost() }
            asked += BlobChunk.bytesLimit
        }
        try await ask()
        for await answer in answers {
            switch answer {
            case .chunk(let chunk):
                guard chunk.totalBytes <= bytesLimit else {
                    throw BlobError("blob \(digest.short) has \(chunk.totalBytes) bytes; \(bytesLimit) were expected")
                }
                let offset = store.receivedBytes(of: digest)
                guard chunk.offset == offset else { continue }
                guard try store.add(chunk) != nil else { return }
                while asked < chunk.totalBytes, asked - offset < Self.windowBytes { try await ask() }
                // A part that was shorter than asked for leaves the others in the wrong place.
                if chunk.bytes.count < BlobChunk.bytesLimit, !chunk.isLast {
                    throw BlobError("blob \(digest.short) came in parts that are too short")
                }
            case .downloadRefused(_, let reason): throw BlobRefused(reason: String(reason.prefix(500)))
            default: continue
            }
        }
        throw LinkLost()
    }
}

/// The connection ended; what was underway is tried again on the next one.
struct LinkLost: Error {}

/// The coordinator does not give a blob, and why.
struct BlobRefused: Error, CustomStringConvertible {
    let reason: String

    var description: String { "the coordinator does not send it: \(self.reason)" }
}

/// The coordinator will not work with this worker, and why.
public struct WorkerRefused: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ reason: String) { self.description = "the coordinator refused this worker: \(reason)" }
}
