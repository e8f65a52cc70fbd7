import Coordination
import Digests
import Foundation
import Sweeps
import Testing
import Wire

@testable import CoordinatorShell

/// What `verify`, `gc` and `why` rest on.
@Suite struct StateAuditTests {
    private let state: TestState
    private let store: Store
    private let blobs: BlobStore
    private let shards: [Shard]

    init() throws {
        self.state = try TestState()
        self.store = try Store(writing: self.state.folder.database)
        self.blobs = try BlobStore(folder: self.state.folder.blobs)
        self.shards = try testShards()
        let sweep = StoredSweep(name: "test", definition: testGrid, launchedSeconds: 1)
        _ = try self.store.submit(sweep, shards: self.shards, folders: [])
    }

    private var audit: StateAudit { StateAudit(store: self.store, blobs: self.blobs) }

    /// Puts a blob there and has a shard keep it.
    private func keep(_ text: String, _ kind: TrainerEvent.Checkpointed.Kind, of shard: Shard) throws -> Digest {
        let bytes = Array(text.utf8)
        let digest = SHA256.hash(text)
        _ = try self.blobs.add(BlobChunk(digest: digest, offset: 0, totalBytes: bytes.count, bytes: bytes))
        let checkpoint = TrainerEvent.Checkpointed(
            kind: kind,
            step: 3,
            file: "f",
            bytes: bytes.count,
            digest: digest,
            rawDigest: digest
        )
        var checkpoints = Checkpoints()
        _ = checkpoints.add(checkpoint)
        try self.store.apply([.checkpoints(shard.key, checkpoints, Coordinator.Failures())])
        return digest
    }

    @Test func `a whole state folder has no findings`() throws {
        _ = try self.keep("some bytes", .last, of: self.shards[0])
        #expect(try self.audit.findings().isEmpty)
    }

    @Test func `a checkpoint that is missing or damaged is found and forgotten`() throws {
        let missing = try self.keep("one", .last, of: self.shards[0])
        let damaged = try self.keep("two", .last, of: self.shards[1])
        self.blobs.remove(missing)
        try Data("TWO".utf8).write(to: URL(filePath: self.blobs.path(of: damaged)))
        let findings = try self.audit.findings()
        let expected: Set<StateAudit.Finding> = [
            .missingBlob(missing, of: self.shards[0].key), .damagedBlob(damaged, of: self.shards[1].key),
        ]
        #expect(Set(findings) == expected)
        for finding in findings { try self.audit.repair(finding) }
        #expect(try self.audit.findings().isEmpty)
        #expect(try self.store.knownShards(of: "test").allSatisfy { $0.checkpoints.last == nil })
        #expect(!self.blobs.contains(damaged))
    }

    @Test func `a result under another key is found and its shard runs again`() throws {
        let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: self.shards[0].key)
        let other = testResult(self.shards[1])
        try self.store.apply([.finished(lease, by: "a", other, checkpoints: Checkpoints())])
        let findings = try self.audit.findings()
        #expect(findings.count == 1 && findings[0].description.contains(self.shards[1].key.short))
        for finding in findings { try self.audit.repair(finding) }
        #expect(try self.store.knownShards(of: "test")[0].state == .open)
    }

    /// Method: a bit of a stored text is changed behind SQLite's back, which leaves the row's checksum as it was.
    @Test(arguments: ["result", "shard"])
    func `a damaged row is named, and mended where its key says what it was`(table: String) throws {
        let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: self.shards[0].key)
        var failures = Coordinator.Failures()
        failures.infrastructure = 7
        try self.store.apply([
            .finished(lease, by: "somebody", testResult(self.shards[0]), checkpoints: Checkpoints()),
            .failed(self.shards[1].key, failures, .retry),
        ])
        try self.store.close()
        let (old, new) = table == "result" ? ("somebody", "sometody") : ("infrastructure\":7", "infrastructure\":3")
        for file in [self.state.folder.database, self.state.folder.database + "-wal"] {
            guard let bytes = FileManager.default.contents(atPath: file) else { continue }
            var changed = bytes
            while let range = changed.range(of: Data(old.utf8)) { changed.replaceSubrange(range, with: Data(new.utf8)) }
            try changed.write(to: URL(filePath: file))
        }
        #expect(throws: StoreError.self) { try Store(writing: self.state.folder.database) }
        let damaged = try Store(repairing: self.state.folder.database)
        let audit = StateAudit(store: damaged, blobs: self.blobs)
        let key = self.shards[table == "result" ? 0 : 1].key
        #expect(try audit.findings() == [.row(DamagedRow(table: table, key: key.description))])
        for finding in try audit.findings() { try audit.repair(finding) }
        try damaged.close()
        let mended = try Store(writing: self.state.folder.database)
        #expect(try mended.knownShards(of: "test").map(\.state)[0] == (table == "result" ? .open : .done))
        #expect(try mended.knownShards(of: "test")[1].failures.infrastructure == (table == "result" ? 7 : 0))
    }

    @Test func `garbage is what no shard keeps`() throws {
        let kept = try self.keep("kept", .best, of: self.shards[0])
        let bytes = Array("nobody's".utf8)
        let chunk = BlobChunk(digest: SHA256.hash("nobody's"), offset: 0, totalBytes: bytes.count, bytes: bytes)
        _ = try self.blobs.add(chunk)
        let copy = try self.store.copy()
        let removed = try self.audit.collectGarbage()
        #expect(removed.blobs == 1 && removed.bytes == bytes.count)
        #expect(try self.blobs.all() == [kept])
        #expect(!FileManager.default.fileExists(atPath: "\(self.state.folder.path)/\(copy)"))
    }

    @Test func `finished shards of a task, method and seed are found, and tell what differs`() throws {
        let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: self.shards[1].key)
        try self.store.apply([.finished(lease, by: "a", testResult(self.shards[1]), checkpoints: Checkpoints())])
        let found = try self.store.finishedShards(task: "rte", method: "full", seed: 1)
        #expect(found == [self.shards[1]])
        #expect(try self.store.finishedShards(task: "rte", method: "full", seed: 0).isEmpty)
        var other = self.shards[1]
        other.settings["learningRate"] = .number(0.5)
        other.numerics += 1
        let differences = other.differences(from: found[0])
        #expect(
            differences.count == 2 && differences.contains("numerics version: \(found[0].numerics) → \(other.numerics)")
        )
        #expect(differences.contains { $0.hasPrefix("learningRate: ") && $0.hasSuffix("→ 0.5") })
    }
}
