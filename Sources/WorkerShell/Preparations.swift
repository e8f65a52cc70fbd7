internal import Coordination
internal import Digests
internal import Files
internal import Foundation
internal import Sweeps
internal import Synchronization
internal import Wire

/// Brings together what shards need, one after the other: slots mostly need the same, and the second finds it there.
final class Preparations: Sendable {
    private struct State {
        var link: CoordinatorLink?
        var waiters: [CheckedContinuation<CoordinatorLink, Never>] = []
        /// What the checkpoints of each attempt may take.
        var checkpointBytes: [LeaseToken: Int] = [:]
    }

    private let options: WorkerOptions
    private let grants: AsyncStream<Grant>
    private let queue: AsyncStream<Grant>.Continuation
    private let state = Mutex(State())

    init(options: WorkerOptions) {
        self.options = options
        (self.grants, self.queue) = AsyncStream.makeStream()
    }

    func add(_ grant: Grant) { self.queue.yield(grant) }

    /// The attempt is over and its folder gone.
    func forget(_ token: LeaseToken) { self.state.withLock { $0.checkpointBytes[token] = nil } }

    /// The connection to fetch through from now on.
    func use(_ link: CoordinatorLink?) {
        let waiters = self.state.withLock { state in
            state.link = link
            guard link != nil else { return [] as [CheckedContinuation<CoordinatorLink, Never>] }
            defer { state.waiters = [] }
            return state.waiters
        }
        if let link { for waiter in waiters { waiter.resume(returning: link) } }
    }

    private func link() async -> CoordinatorLink {
        await withCheckedContinuation { continuation in
            let link = self.state.withLock { state in
                if state.link == nil { state.waiters.append(continuation) }
                return state.link
            }
            if let link { continuation.resume(returning: link) }
        }
    }

    /// Works off what is added until the task is cancelled.
    func run(reportingTo mailbox: Mailbox<WorkerService.Input>) async {
        for await grant in self.grants {
            let token = grant.lease.token
            do {
                mailbox.post(.prepared(token, try await self.prepare(grant)))
            } catch {
                let kind: FailureKind = (error as? StorageError)?.code == ENOSPC ? .diskFull : .other
                let failure = AttemptFailure(
                    cause: .infrastructure,
                    kind: kind,
                    message: "cannot get ready for \(grant.name): \(error)"
                )
                mailbox.post(.event(.preparationFailed(token, failure)))
            }
        }
    }

    private func prepare(_ grant: Grant) async throws -> TrainerOrder {
        let shard = try grant.shard.shard(of: grant.lease.key)
        let folder = self.options.folder.attempt(grant.lease.token)
        try folder.make()
        try self.requireRoom(for: grant)
        return TrainerOrder(
            shard: shard,
            backboneFolder: try await self.folder(shard.backbone),
            dataFolder: try await self.folder(shard.data),
            threads: self.options.threads,
            checkpointSeconds: grant.checkpointSeconds,
            resume: try await self.checkpoint(grant.last, in: folder),
            tokensFolder: self.options.cache.tokensFolder
        )
    }

    /// Better before training than in the middle of it: what this attempt and the others here may yet write must fit.
    ///
    /// - Throws: `StorageError` of a full disk.
    private func requireRoom(for grant: Grant) throws(StorageError) {
        guard let checkpointBytes = grant.checkpointBytes else { return }
        // The checkpoint to go on from; the last one and its predecessor, which may still be sent; the best ones.
        let needed = 3 * checkpointBytes + (grant.last?.bytes ?? 0)
        let folder = self.options.folder
        let others = self.state.withLock { state in
            let sum = state.checkpointBytes.reduce(0) { $0 + max(0, $1.value - folder.attempt($1.key).bytes) }
            state.checkpointBytes[grant.lease.token] = needed
            return sum
        }
        guard let free = DurableFile.freeBytes(at: folder.path), needed + others > free else { return }
        throw StorageError("keep \((needed + others) >> 20) MiB of checkpoints in", folder.path, code: ENOSPC)
    }

    private func folder(_ digest: Digest) async throws -> String {
        try await self.options.cache.folder(digest) { blob, store, bytesLimit in
            try await self.fetch(blob, into: store, bytesLimit: bytesLimit)
        }
    }

    private func checkpoint(_ checkpoint: TrainerEvent.Checkpointed?, in folder: AttemptFolder) async throws -> String?
    {
        guard let checkpoint else { return nil }
        let store = try BlobStore(folder: self.options.folder.incoming)
        try await self.fetch(checkpoint.digest, into: store, bytesLimit: checkpoint.bytes)
        let path = "\(folder.path)/resume-\(checkpoint.kind.rawValue)"
        guard rename(store.path(of: checkpoint.digest), path) == 0 else { throw StorageError("write", path) }
        return path
    }

    /// Fetches through whatever connection there is; one that ends is waited for.
    private func fetch(_ blob: Digest, into store: BlobStore, bytesLimit: Int) async throws {
        while true {
            do {
                return try await self.link().fetch(blob, into: store, bytesLimit: bytesLimit)
            } catch is LinkLost {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
