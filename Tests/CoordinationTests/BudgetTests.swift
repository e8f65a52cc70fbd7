import Coordination
import Digests
import Sweeps
import Testing

/// What failures come to: whose budget they use, and who is at fault.
@Suite struct BudgetTests {
    private var coordinator = Coordinator(epoch: 1)
    private var now = 0

    /// Makes the worker's first running shard fail.
    private mutating func fail(
        _ worker: WorkerName,
        _ failure: AttemptFailure = failure()
    ) throws -> (ShardKey, [Coordinator.Directive]) {
        self.now += 1
        let lease = try #require(
            self.coordinator.running.first { $0.worker == worker }?.lease,
            "\(worker) runs nothing"
        )
        let directives = self.coordinator.handle(.reported(worker, lease, .failed(failure)), at: at(self.now))
        self.coordinator.checkInvariants()
        return (lease.key, directives)
    }

    private mutating func finish(_ worker: WorkerName) throws {
        self.now += 1
        let lease = try #require(
            self.coordinator.running.first { $0.worker == worker }?.lease,
            "\(worker) runs nothing"
        )
        let report = Coordinator.Event.reported(worker, lease, .finished(shardResult(lease.key), best: nil))
        _ = self.coordinator.handle(report, at: at(self.now))
    }

    private mutating func start(_ workers: [WorkerName], shards: Int) {
        for worker in workers { _ = self.coordinator.handle(.workerJoined(worker, slots: 1, holding: []), at: at(0)) }
        let known = (0..<shards).map { Coordinator.KnownShard(key: shardKey($0)) }
        _ = self.coordinator.handle(.submitted(known), at: at(0))
    }

    /// Lets so many seconds pass, with heartbeats.
    private mutating func wait(_ seconds: Int, _ workers: [WorkerName]) {
        for _ in 0..<seconds {
            self.now += 1
            for worker in workers {
                let held = self.coordinator.running.filter { $0.worker == worker }.map(\.lease)
                _ = self.coordinator.handle(.heartbeat(worker, holding: held), at: at(self.now))
            }
        }
    }

    @Test mutating func `the same failure on two workers quarantines the shard and names both`() throws {
        self.start(["a", "b"], shards: 1)
        let first = try self.fail("a", failure(.experiment, .other, "crash at 0x7f3a, process 17")).0
        self.wait(3, ["a", "b"])
        #expect(self.coordinator.running.map(\.worker) == ["b"], "it is tried where it has not failed")
        let (key, directives) = try self.fail("b", failure(.experiment, .other, "crash at 0x11c0, process 4"))
        #expect(key == first)
        #expect(self.coordinator.state(of: key) == .quarantined)
        let verdicts = directives.entries.compactMap {
            if case .failed(_, _, .quarantined(let reason)) = $0 { reason } else { nil }
        }
        #expect(verdicts.first?.contains("a and b") == true)
    }

    @Test mutating func `different failures on two workers leave it a third try`() throws {
        self.start(["a", "b"], shards: 1)
        let key = try self.fail("a", failure(.experiment, .other, "one thing")).0
        self.wait(3, ["a", "b"])
        _ = try self.fail("b", failure(.experiment, .outOfMemory, "no memory"))
        #expect(self.coordinator.state(of: key) != .quarantined)
    }

    @Test mutating func `a worker that fails three shards is suspended and they do not pay for it`() throws {
        self.start(["a", "b"], shards: 10)
        var suspensions: [Coordinator.Directive] = []
        var keys: [ShardKey] = []
        for _ in 0..<3 {
            let (key, directives) = try self.fail("a")
            keys.append(key)
            suspensions += directives.filter { if case .suspended("a", _, _) = $0 { true } else { false } }
        }
        #expect(suspensions.count == 1 && Set(keys).count == 3)
        for key in keys { #expect(self.coordinator.failures(of: key)?.experiment.isEmpty == true) }
        self.wait(10, ["a", "b"])
        #expect(self.coordinator.running.allSatisfy { $0.worker == "b" })
        // After its time it gets one shard, and is trusted again once that is finished.
        self.wait(60, ["a", "b"])
        #expect(self.coordinator.running.contains { $0.worker == "a" })
        try self.finish("a")
        _ = try self.fail("a")
        #expect(self.coordinator.running.contains { $0.worker == "a" })
    }

    @Test mutating func `the last worker that has finished a shard is never suspended`() throws {
        self.start(["a", "b"], shards: 10)
        try self.finish("a")
        for _ in 0..<4 {
            let directives = try self.fail("a").1
            #expect(!directives.contains { if case .suspended = $0 { true } else { false } })
        }
    }

    @Test mutating func `a lone worker is never suspended, and everything ends`() throws {
        self.start(["a"], shards: 4)
        var tries = 0
        while self.coordinator.counts().quarantined < 4 {
            if self.coordinator.running.isEmpty { self.wait(1, ["a"]) } else { _ = try self.fail("a") }
            tries += 1
            try #require(tries < 1000)
        }
    }

    @Test mutating func `a full disk suspends even the last worker, says so, and costs the shard nothing`() throws {
        self.start(["a"], shards: 1)
        try #require(self.coordinator.running.count == 1)
        let (key, directives) = try self.fail("a", failure(.infrastructure, .diskFull, "no space left"))
        #expect(directives.contains { if case .suspended("a", _, _) = $0 { true } else { false } })
        #expect(directives.contains(.stalled(reason: "a: no space left")))
        #expect(self.coordinator.running.isEmpty)
        self.wait(61, ["a"])
        #expect(self.coordinator.running.map(\.lease.key) == [key])
    }

    @Test mutating func `what a banned worker held is given to another at once and costs nothing`() throws {
        self.start(["a"], shards: 1)
        _ = self.coordinator.handle(.workerJoined("b", slots: 1, holding: []), at: at(0))
        let key = try #require(self.coordinator.running.first?.lease.key)
        let directives = self.coordinator.handle(.workersBanned(["a"]), at: at(1))
        #expect(directives.grants.map(\.key) == [key] && self.coordinator.running.map(\.worker) == ["b"])
        #expect(self.coordinator.failures(of: key) == Coordinator.Failures())
        self.coordinator.checkInvariants()
    }

    @Test mutating func `a retry gives a shard all its tries again`() throws {
        self.start(["a"], shards: 1)
        let key = try self.fail("a", failure(.experiment, .diverged)).0
        #expect(self.coordinator.state(of: key) == .failed)
        let directives = self.coordinator.handle(.retryRequested([key]), at: at(self.now))
        #expect(directives.grants.map(\.key) == [key] && directives.entries.contains(.retried(key)))
        self.coordinator.checkInvariants()
    }

    @Test mutating func `waits differ by their seed, within half and one and a half times the planned one`() throws {
        func wait(_ seed: UInt64) throws -> Int64 {
            var coordinator = Coordinator(epoch: 1, seed: seed)
            _ = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0))
            _ = coordinator.handle(.submitted([.init(key: shardKey(0))]), at: at(0))
            let lease = try #require(coordinator.running.first?.lease)
            _ = coordinator.handle(.reported("a", lease, .failed(failure())), at: at(0))
            guard case .queued(let due?) = coordinator.state(of: lease.key) else { return -1 }
            return due.milliseconds
        }
        let waits = try (0..<20).map(wait)
        #expect(Set(waits).count > 15 && waits.allSatisfy { (500..<1500).contains($0) })
        #expect(try wait(3) == wait(3))
    }
}
