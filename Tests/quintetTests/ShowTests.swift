import Coordination
import CoordinatorShell
import Digests
import Foundation
import Reports
import Sweeps
import TestSupport
import Testing

@testable import quintet

@Suite final class ShowTests {
    private let file = FileManager.default.temporaryDirectory.appending(path: "show-\(UUID().uuidString).sqlite").path
    private let store: Store

    init() throws { self.store = try Store(writing: self.file) }

    deinit { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: self.file + suffix) } }

    /// Stores a sweep of one cell.
    private func submit(_ name: String, seeds: Int, launchedSeconds: Int64, epochs: Int = 3) throws -> [Shard] {
        let grid = """
            sweep: \(name)
            backbone: tiny-random
            tasks: [offline]
            methods: [full]
            seeds: \(seeds)
            defaults: {epochs: \(epochs)}
            """
        let sweep = StoredSweep(name: name, definition: grid, launchedSeconds: launchedSeconds)
        let shards = try sweep.grid().shards().map { planned in
            try planned.shard(backbone: SHA256.hash("b"), data: SHA256.hash("d"))
        }
        #expect(try self.store.submit(sweep, shards: shards, folders: []) == .new)
        return shards
    }

    private func finish(_ shard: Shard) throws {
        let result = exampleResult(key: shard.key, task: shard.task, method: shard.method, seed: shard.seed)
        let lease = Lease(token: LeaseToken(epoch: 1, counter: UInt64(shard.seed)), key: shard.key)
        try self.store.apply([.finished(lease, by: "w", result, checkpoints: Checkpoints())])
    }

    @Test func `shards are named by name, sweep and name, or key`() throws {
        let first = try self.submit("first", seeds: 2, launchedSeconds: 1)
        let second = try self.submit("second", seeds: 2, launchedSeconds: 2, epochs: 4)
        for shard in first + second { try self.finish(shard) }
        let names = [
            "offline/full/1", "first/offline/full/1", first[0].key.description.uppercased(), second[0].key.short,
        ]
        let runs = try RunReport(of: names, in: Store(reading: self.file)).runs
        #expect(runs.map(\.sweep) == ["second", "first", "first", "second"])
        #expect(runs.map(\.result.key) == [second[1].key, first[1].key, first[0].key, second[0].key])
        #expect(runs.map(\.name) == ["offline/full/1", "offline/full/1", "offline/full/0", "offline/full/0"])
    }

    @Test func `a key of two sweeps is one shard`() throws {
        let shards = try self.submit("first", seeds: 1, launchedSeconds: 1)
        #expect(try self.submit("second", seeds: 1, launchedSeconds: 2) == shards)
        try self.finish(shards[0])
        #expect(try RunReport(of: [shards[0].key.short], in: self.store).runs.map(\.sweep) == ["second"])
    }

    @Test func `a name that is no shard's is told with the nearest one`() throws {
        _ = try self.submit("first", seeds: 50, launchedSeconds: 1)
        let error = #expect(throws: UnknownName.self) { try self.store.shards(named: ["ofline/full/1"]) }
        #expect(error?.description == #"unknown shard "ofline/full/1"; did you mean "offline/full/1"?"#)
        let far = #expect(throws: UnknownName.self) { try self.store.shards(named: ["offline/full/1", "else"]) }
        #expect(far?.description.hasSuffix(", offline/full/39, and 10 more") == true)
    }

    /// Method: of so many keys some have their first four digits in common.
    @Test func `a beginning of several keys is told with them`() throws {
        let shards = try self.submit("first", seeds: 2000, launchedSeconds: 1)
        let groups = Dictionary(grouping: shards) { $0.key.description.prefix(4) }
        let twins = try #require(groups.values.filter { $0.count == 2 }.min { $0[0].seed < $1[0].seed })
        let prefix = twins[0].key.description.prefix(4)
        let error = #expect(throws: SessionError.self) { try self.store.shards(named: [String(prefix)]) }
        let listed = twins.map { "\($0.key.short) (offline/full/\($0.seed))" }.joined(separator: ", ")
        #expect(error?.description == "2 shards' keys begin with \(prefix); give more digits: \(listed)")
    }

    @Test func `of a shard without a result its state is told`() throws {
        let shards = try self.submit("first", seeds: 2, launchedSeconds: 1)
        try self.finish(shards[0])
        let waits = #expect(throws: SessionError.self) {
            try RunReport(of: ["offline/full/0", "offline/full/1"], in: self.store)
        }
        #expect(waits?.description == "offline/full/1 has no result: waiting")
        var failures = Coordinator.Failures()
        failures.last = AttemptFailure(cause: .experiment, kind: .diverged, message: "the loss is nan")
        try self.store.apply([.failed(shards[1].key, failures, .failed)])
        let failed = #expect(throws: SessionError.self) { try RunReport(of: ["offline/full/1"], in: self.store) }
        #expect(failed?.description == "offline/full/1 has no result: failed: the loss is nan")
    }
}
