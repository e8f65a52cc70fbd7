import Coordination
import Digests
import Files
import Foundation
import Sweeps
import TestSupport
import Testing
import Wire

@testable import CoordinatorShell
@testable import Transport

/// A state folder that is gone after the test.
final class TestState {
    let folder = StateFolder(
        FileManager.default.temporaryDirectory.appending(path: "state-\(UUID().uuidString)").path
    )

    init() throws {
        try FileManager.default.createDirectory(atPath: self.folder.path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.folder.path) }
}

/// Two methods on one task, two seeds each.
let testGrid = """
    sweep: test
    backbone: tiny
    tasks: [rte]
    methods: [full, bitfit]
    seeds: 2
    """

func testShards(_ grid: String = testGrid) throws -> [Shard] {
    try SweepDefinition(yaml: grid, file: "test").shards().map { planned in
        try planned.shard(backbone: SHA256.hash("backbone"), data: SHA256.hash("data"))
    }
}

func testResult(_ shard: Shard) -> ShardResult {
    exampleResult(
        key: shard.key,
        task: shard.task,
        method: shard.method,
        seed: shard.seed,
        loss: 0.1 + 0.2,
        accuracy: 1.0 / 3
    )
}

func testCheckpoint(_ kind: TrainerEvent.Checkpointed.Kind, _ step: Int) -> TrainerEvent.Checkpointed {
    let digest = SHA256.hash("\(kind) \(step)")
    return TrainerEvent.Checkpointed(kind: kind, step: step, file: "f", bytes: 1, digest: digest, rawDigest: digest)
}

@Suite struct StoreTests {
    private func opened(_ state: TestState) throws -> (store: Store, sweep: StoredSweep, shards: [Shard]) {
        let store = try Store(writing: state.folder.database)
        let sweep = StoredSweep(name: "test", definition: testGrid, launchedSeconds: 1)
        let shards = try testShards()
        _ = try store.submit(sweep, shards: shards, folders: [])
        return (store, sweep, shards)
    }

    /// Goal: what was committed is on the disk. GRDB turns WAL on with `NORMAL`, so this looks at what SQLite itself
    /// reports after opening, and after opening again.
    @Test func `SQLite runs with WAL and synchronous FULL`() throws {
        let state = try TestState()
        for _ in 0..<2 {
            let durability = try Store(writing: state.folder.database).durability()
            #expect(durability.journalMode == "wal")
            #expect(durability.synchronous == 2)
        }
    }

    /// Goal: submitting a grid again undoes no person's decision that the grid does not speak of.
    @Test func `a grid's terms hold at each submission, and what it leaves open stays`() throws {
        let state = try TestState()
        let (store, sweep, shards) = try self.opened(state)
        func submit(priority: Int? = nil, weight: Int? = nil) throws -> SweepTerms {
            let change = SweepChange(sweep: "test", standing: .active, priority: priority, weight: weight)
            let needs = shards.map { _ in Needs(memoryBytes: 7, labels: ["x"], kernelClass: "Haswell") }
            var plan = SweepPlan(sweep: sweep, shards: shards, needs: needs, folders: [], change: change)
            #expect(try plan.submit(to: store) == .unchanged)
            #expect(try store.sweep(named: "test").terms == plan.sweep.terms)
            return plan.sweep.terms
        }
        #expect(try store.knownShards(of: "test").allSatisfy { $0.needs == Needs() })
        try store.apply([.sweep(SweepTerms(name: "test", priority: 5, weight: 6, standing: .paused))])
        #expect(try submit() == SweepTerms(name: "test", priority: 5, weight: 6))
        #expect(try submit(weight: 2) == SweepTerms(name: "test", priority: 5, weight: 2))
        #expect(try submit(priority: 0) == SweepTerms(name: "test", priority: 0, weight: 2))
        #expect(throws: StoreError.self) { try submit(weight: 0) }
        // Needs are the last grid's.
        #expect(try store.knownShards(of: "test").allSatisfy { $0.needs.kernelClass == "Haswell" })
    }

    @Test func `what was given up is retried without a coordinator, too`() async throws {
        let state = try TestState()
        do {
            let (store, _, shards) = try self.opened(state)
            try store.apply([.failed(shards[1].key, Coordinator.Failures(), .failed)])
        }
        let access = try await CoordinatorAccess(state.folder, version: "test")
        #expect(try await access.retry(sweep: "test") == ["1 shards are tried again"])
        #expect(try await access.retry(sweep: "test") == ["0 shards are tried again"])
        await #expect(throws: StoreError.self) { try await access.retry(sweep: "tset") }
    }

    @Test func `every epoch is higher than all before`() throws {
        let state = try TestState()
        for epoch in 1...3 as ClosedRange<UInt64> {
            #expect(try Store(writing: state.folder.database).beginEpoch() == epoch)
        }
    }

    @Test func `what is recorded is there after opening again`() throws {
        let state = try TestState()
        let (store, sweep, shards) = try self.opened(state)
        let leases = shards.enumerated().map {
            Lease(token: LeaseToken(epoch: 1, counter: UInt64($0 + 1)), key: $1.key)
        }
        let checkpoints = Checkpoints(
            last: testCheckpoint(.last, 5),
            best: testCheckpoint(.best, 4)
        )
        var failures = Coordinator.Failures()
        let diverged = AttemptFailure(cause: .experiment, kind: .diverged, message: "loss is not a number")
        failures.experiment = [.init(worker: "c", failure: diverged)]
        failures.last = diverged
        var losses = Coordinator.Failures()
        losses.infrastructure = 2
        try store.apply([
            .granted(leases[0], to: "a"), .granted(leases[1], to: "b"), .granted(leases[2], to: "c"),
            .checkpoints(shards[1].key, checkpoints, losses), .failed(shards[2].key, failures, .failed),
            .finished(
                leases[0],
                by: "a",
                testResult(shards[0]),
                checkpoints: Checkpoints(best: testCheckpoint(.best, 9))
            ),
        ])
        let again = try Store(reading: state.folder.database)
        let known = try again.knownShards(of: "test")
        #expect(known.map(\.key) == shards.map(\.key))
        #expect(known.map(\.state) == [.done, .leased(leases[1].token, to: "b"), .failed, .open])
        #expect(known[1].checkpoints == checkpoints)
        #expect(known[1].failures == losses)
        #expect(known[2].failures == failures)
        let listed = try again.shards(of: sweep)
        #expect(listed[0].result == testResult(shards[0]))
        #expect(listed.map(\.planned.name) == ["rte/full/0", "rte/full/1", "rte/bitfit/0", "rte/bitfit/1"])
        #expect(try again.referredBlobs() == Set([4, 5, 9].map { testCheckpoint($0 == 5 ? .last : .best, $0).digest }))
        #expect(try again.refers(to: testCheckpoint(.last, 5).digest))
        #expect(try !again.refers(to: testCheckpoint(.last, 6).digest))
        #expect(
            known[2].cell == shards[2].cellDigest && known[2].cell == known[3].cell && known[0].cell != known[2].cell
        )
        #expect(try store.retry([.quarantined], of: "test") == 0)
        #expect(try store.retry([.failed], of: "test") == 1)
        let retried = Coordinator.KnownShard(key: shards[2].key, cell: shards[2].cellDigest)
        #expect(try again.knownShards(of: "test")[2] == retried)
        let terms = SweepTerms(name: "test", priority: 3, weight: 2, standing: .paused)
        try store.apply([.sweep(terms)])
        #expect(try again.sweep(named: "test").terms == terms)
    }

    @Test func `a transaction that fails leaves nothing of itself`() throws {
        let state = try TestState()
        let (store, _, shards) = try self.opened(state)
        let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: shards[0].key)
        let finished = Coordinator.JournalEntry.finished(
            lease,
            by: "a",
            testResult(shards[0]),
            checkpoints: Checkpoints()
        )
        try store.apply([finished])
        // A second result for one key is refused by the store itself, and with it all that came along.
        #expect(throws: StoreError.self) {
            try store.apply([
                .checkpoints(shards[1].key, Checkpoints(last: testCheckpoint(.last, 1)), .init()), finished,
            ])
        }
        #expect(try store.knownShards(of: "test")[1].checkpoints == Checkpoints())
    }

    @Test func `launching again keeps what is there, and another grid replaces the old one`() throws {
        let state = try TestState()
        let (store, sweep, shards) = try self.opened(state)
        let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: shards[0].key)
        try store.apply([.finished(lease, by: "a", testResult(shards[0]), checkpoints: Checkpoints())])
        #expect(try store.submit(sweep, shards: shards, folders: []) == .unchanged)
        let grid = testGrid.replacingOccurrences(of: "seeds: 2", with: "seeds: 3")
        let more = StoredSweep(name: "test", definition: grid, launchedSeconds: 2)
        #expect(try store.submit(more, shards: try testShards(grid), folders: []) == .replaced)
        let known = try store.knownShards(of: "test")
        #expect(known.count == 6 && known.filter { $0.state == .done }.map(\.key) == [shards[0].key])
        #expect(try store.sweep(named: nil) == more)
        #expect(throws: StoreError("unknown sweep \"tset\"; did you mean \"test\"?")) { try store.sweep(named: "tset") }
    }

    @Test func `folders are known by the digests that shards name`() throws {
        let state = try TestState()
        try Data("x".utf8).write(to: URL(filePath: "\(state.folder.path)/weights"))
        let store = try Store(writing: state.folder.database)
        let manifest = try FolderManifest(files: [.init(name: "weights", bytes: 1, digest: SHA256.hash("x"))])
        let sweep = StoredSweep(name: "test", definition: testGrid, launchedSeconds: 1)
        let shards = try testShards().map { shard in
            var shard = shard
            (shard.backbone, shard.data) = (manifest.digest, manifest.digest)
            return shard
        }
        let folder = StoredFolder(path: state.folder.path, manifest: manifest)
        _ = try store.submit(sweep, shards: shards, folders: [folder])
        #expect(try store.folders(of: "test") == [folder])
    }

    @Test func `a store of another version, a damaged one and a missing one are refused in one line`() throws {
        let state = try TestState()
        #expect(throws: StoreError.self) { try Store(reading: state.folder.database) }
        _ = try Store(writing: state.folder.database)
        // SQLite keeps `user_version` big-endian at byte 60 of the file.
        var file = try Data(contentsOf: URL(filePath: state.folder.database))
        file[63] = 99
        try file.write(to: URL(filePath: state.folder.database))
        #expect { try Store(writing: state.folder.database) } throws: { "\($0)".contains("another version of quintet") }
        #expect { try Store(reading: state.folder.database) } throws: { "\($0)".contains("another version of quintet") }
        try Data(repeating: 65, count: 10_000).write(to: URL(filePath: state.folder.database))
        #expect { try Store(writing: state.folder.database) } throws: { "\($0)".contains("damaged") }
    }

    /// Goal: no result is used that is not as it was written. Method: each bit of some bytes in the middle of a row is
    /// flipped in the file.
    @Test func `a row with a flipped bit is named and not used`() throws {
        let state = try TestState()
        let shard = try testShards()[0]
        do {
            let (store, _, _) = try self.opened(state)
            let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: shard.key)
            let entry = Coordinator.JournalEntry.finished(
                lease,
                by: "the-worker",
                testResult(shard),
                checkpoints: Checkpoints()
            )
            try store.apply([entry])
            try store.close()
        }
        let url = URL(filePath: state.folder.database)
        let whole = try Data(contentsOf: url)
        let worker = try #require(whole.range(of: Data("the-worker".utf8)))
        let message = "row \(shard.key) of table result is damaged: its checksum differs; restore it with"
        for bit in 0..<16 {
            var file = whole
            file[worker.lowerBound + bit / 8] ^= 1 << (bit % 8)
            try file.write(to: url)
            #expect { try Store(writing: state.folder.database) } throws: { "\($0)".contains(message) }
            #expect { try Store(reading: state.folder.database) } throws: { "\($0)".contains(message) }
        }
        try whole.write(to: url)
        #expect(try Store(reading: state.folder.database).knownShards(of: "test")[0].state == .done)
    }

    @Test func `a state folder has one coordinator`() throws {
        let state = try TestState()
        let lock = try state.folder.lock()
        let id = ProcessInfo.processInfo.processIdentifier
        #expect { try state.folder.lock() } throws: { "\($0)".contains("another coordinator (process \(id))") }
        withExtendedLifetime(lock) {}
    }

    /// Goal: a command that looks whether a coordinator runs keeps none from starting.
    @Test func `a state folder that is let go of in time is taken`() async throws {
        let state = try TestState()
        var lock: FolderLock? = try state.folder.lock()
        withExtendedLifetime(lock) {}
        let taken = Task.detached { [folder = state.folder] in try folder.lock() }
        try await Task.sleep(for: .milliseconds(200))
        lock = nil
        withExtendedLifetime(try await taken.value) {}
    }

    /// Goal: a store that another machine writes is not opened here, also while its coordinator has no port yet.
    /// Method: this process holds the lock, under another machine's name.
    @Test func `a coordinator that starts on another machine is waited for`() async throws {
        let state = try TestState()
        let lock = try state.folder.lock()
        _ = try Store(writing: state.folder.database)
        let file = "\(state.folder.path)/lock"
        let handle = try #require(FileHandle(forWritingAtPath: file))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data("1 elsewhere\n".utf8))
        let error = await #expect(throws: StateFolderError.self) {
            try await Store.reading(state.folder, version: "test")
        }
        #expect(error?.description == "the coordinator on elsewhere is starting; try again")
        #expect { try state.folder.lock() } throws: { "\($0)".contains("(process 1 on elsewhere)") }
        withExtendedLifetime(lock) {}
    }

    /// Goal: a copy for a reader holds what the store holds, and nothing of it stays, also where its reader has died.
    @Test func `a copy of the store is read without a trace, and a forgotten one is removed`() throws {
        let state = try TestState()
        let (store, _, _) = try self.opened(state)
        func names() throws -> Set<String> {
            Set(try FileManager.default.contentsOfDirectory(atPath: state.folder.path))
        }
        let before = try names()
        let name = try store.copy()
        let copy = try Store(reading: "\(state.folder.path)/\(name)")
        #expect(try copy.knownShards(of: "test").count == 4)
        #expect(try names() == before.union([name]))
        try copy.close()
        #expect(try names() == before.union([name]))
        _ = try store.copy()
        store.removeCopies()
        #expect(try names() == before)
    }

    /// Goal: a machine dials what workers were told, and never itself in place of another.
    @Test func `a coordinator elsewhere is dialled as it is advertised, or not at all`() throws {
        var address = CoordinatorAddress(host: "127.0.0.1", port: 1)
        #expect(try address.fromHere() == ("127.0.0.1", 1))
        (address.reachableHost, address.reachablePort) = ("node7.example", 2)
        let state = try TestState()
        try address.save(state.folder)
        #expect(CoordinatorAddress(state.folder) == address)
        #expect(try address.fromHere() == ("127.0.0.1", 1))
        address.machine = "elsewhere"
        #expect(try address.fromHere() == ("node7.example", 2))
        address.reachableHost = address.host
        #expect { try address.fromHere() } throws: { "\($0)".contains("run this on elsewhere") }
    }

    @Test func `the state folder is the given one, else the environment's`() {
        #expect(StateFolder.chosen("x", environment: ["QUINTET_STATE": "y"]).path == "x")
        #expect(StateFolder.chosen(nil, environment: ["QUINTET_STATE": "y", "HOME": "/h"]).path == "y")
        #expect(StateFolder.chosen(nil, environment: ["XDG_STATE_HOME": "/s", "HOME": "/h"]).path == "/s/quintet")
        #expect(StateFolder.chosen(nil, environment: ["HOME": "/h"]).path == "/h/.local/state/quintet")
    }

    @Test func `a token is good for so many keys, for the same key again, and not for ever`() throws {
        let state = try TestState()
        let store = try Store(writing: state.folder.database)
        let token = JoinToken()
        try store.addJoinToken(token, uses: 2, validUntilSeconds: 1000)
        func decide(_ key: String, _ token: JoinToken = token, at seconds: Int64 = 10) throws -> EnrolmentDecision {
            try store.decide(
                EnrolmentRequest(tokenDigest: token.digest, keyDigest: SHA256.hash(key), address: "a"),
                atSeconds: seconds
            )
        }
        func isRefused(_ decision: EnrolmentDecision) -> Bool { if case .refuse = decision { true } else { false } }
        let first = try decide("a")
        #expect(!isRefused(first))
        #expect(try decide("a") == first)
        #expect(try decide("b") != first)
        #expect(isRefused(try decide("c")))
        #expect(try decide("a") == first)
        #expect(isRefused(try decide("d", at: 1001)))
        #expect(isRefused(try decide("a", JoinToken())))
    }
}
