import Coordination
import Digests
import Foundation
import Sweeps
import TestSupport
import Testing
import Wire

@testable import CoordinatorShell

@Suite struct StoreFuzzTests {
    private struct Problem: Error { let description: String }

    /// All that a coordinator or a person reads from a store.
    private struct Contents: Hashable {
        var sweeps: [StoredSweep]
        var shards: [SweepShard] = []
        var known: [Coordinator.KnownShard] = []
        var folders: [StoredFolder] = []
        var blobs: Set<Digest>

        init(_ store: Store) throws {
            self.sweeps = try store.sweeps()
            self.blobs = try store.referredBlobs()
            for sweep in self.sweeps {
                self.shards += try store.shards(of: sweep)
                self.known += try store.knownShards(of: sweep.name)
                self.folders += try store.folders(of: sweep.name)
                for shard in self.shards { _ = try store.shard(shard.key) }
            }
        }
    }

    /// A store with a row of every kind.
    private func fill(_ path: String) throws -> Contents {
        let store = try Store(writing: path)
        let manifest = try FolderManifest(files: [.init(name: "weights", bytes: 1, digest: SHA256.hash("x"))])
        let shards = try testShards().map { shard in
            var shard = shard
            (shard.backbone, shard.data) = (manifest.digest, manifest.digest)
            return shard
        }
        let sweep = StoredSweep(name: "test", definition: testGrid, launchedSeconds: 1)
        let folder = StoredFolder(path: "/backbones/tiny", manifest: manifest)
        _ = try store.submit(sweep, shards: shards, folders: [folder])
        _ = try store.beginEpoch()
        let leases = shards.enumerated().map { Lease(token: LeaseToken(epoch: 1, counter: UInt64($0)), key: $1.key) }
        var failures = Coordinator.Failures()
        failures.experiment = [
            .init(worker: "w", failure: AttemptFailure(cause: .experiment, kind: .other, message: "m"))
        ]
        failures.last = AttemptFailure(cause: .experiment, kind: .diverged, message: "loss is not a number")
        let best = Checkpoints(best: testCheckpoint(.best, 9))
        try store.apply([
            .finished(leases[0], by: "a", testResult(shards[0]), checkpoints: best), .granted(leases[1], to: "b"),
            .checkpoints(shards[1].key, Checkpoints(last: testCheckpoint(.last, 5)), failures),
            .failed(shards[2].key, failures, .failed),
        ])
        return try Contents(store)
    }

    /// Goal: a damaged store file is refused with a ``StoreError``, or read as what it was.
    @Test(.timeLimit(.minutes(60))) func `damaged store files`() async throws {
        let state = try TestState()
        let path = state.folder.database
        let contents = try self.fill(path)
        let file = try [UInt8](Data(contentsOf: URL(filePath: path)))
        let report = try await Fuzzing("store files", inputs: 1000).run([file]) { input, mutator in
            // A crash at first use leaves an empty file: that is a new store. To SQLite one of a single byte is empty too.
            guard input.count > 1 else { return .refused }
            for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
            try Data(input).write(to: URL(filePath: path))
            do {
                let isWriting = mutator.number(below: 4) == 0
                let store = try isWriting ? Store(writing: path) : Store(reading: path)
                let found = try Contents(store)
                guard found == contents else { throw Problem(description: "other data: \(found)") }
                if isWriting { _ = try store.beginEpoch() }
                return .accepted
            } catch is StoreError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
