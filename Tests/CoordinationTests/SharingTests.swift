import Coordination
import Digests
import Sweeps
import Testing

/// Several sweeps on one coordinator, and which worker gets what.
@Suite struct SharingTests {
    private func shards(_ range: Range<Int>, needs: Needs = Needs()) -> [Coordinator.KnownShard] {
        range.map { Coordinator.KnownShard(key: shardKey($0), needs: needs) }
    }

    private func sweeps(of keys: [ShardKey], _ size: Int = 100) -> [Int] {
        keys.map { key in (0..<1000).first { shardKey($0) == key }.map { $0 / size } ?? -1 }
    }

    @Test func `running shards are shared out by weight`() {
        var coordinator = Coordinator(epoch: 1)
        _ = coordinator.handle(.submitted(SweepTerms(name: "light", weight: 1), self.shards(0..<100)), at: at(0))
        _ = coordinator.handle(.submitted(SweepTerms(name: "heavy", weight: 3), self.shards(100..<200)), at: at(0))
        let grants = coordinator.handle(.workerJoined("a", slots: 40, holding: []), at: at(0)).grants
        #expect(self.sweeps(of: grants.map(\.key)).count { $0 == 1 } == 30)
        coordinator.checkInvariants()
    }

    @Test func `a higher priority goes first whatever the weights`() {
        var coordinator = Coordinator(epoch: 1)
        _ = coordinator.handle(.submitted(SweepTerms(name: "low", weight: 100), self.shards(0..<100)), at: at(0))
        _ = coordinator.handle(.submitted(SweepTerms(name: "high", priority: 1), self.shards(100..<103)), at: at(0))
        let grants = coordinator.handle(.workerJoined("a", slots: 5, holding: []), at: at(0)).grants
        #expect(self.sweeps(of: grants.map(\.key)) == [1, 1, 1, 0, 0])
    }

    @Test func `a paused sweep hands back and goes on when it is let`() throws {
        var coordinator = Coordinator(epoch: 1)
        var terms = SweepTerms(name: "one")
        _ = coordinator.handle(.submitted(terms, self.shards(0..<2)), at: at(0))
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        terms.standing = .paused
        let paused = coordinator.handle(.sweepChanged(terms), at: at(1))
        #expect(paused.contains(.requestHandBack([lease], from: "a")) && paused.entries == [.sweep(terms)])
        #expect(coordinator.handle(.handedBack("a", lease), at: at(2)).grants.isEmpty)
        terms.standing = .active
        #expect(coordinator.handle(.sweepChanged(terms), at: at(3)).grants.map(\.key) == [lease.key])
        coordinator.checkInvariants()
    }

    @Test func `what a cancelled sweep runs is stopped, save what another one wants`() throws {
        var coordinator = Coordinator(epoch: 1)
        var terms = SweepTerms(name: "one")
        _ = coordinator.handle(.submitted(terms, self.shards(0..<3)), at: at(0))
        _ = coordinator.handle(.submitted(SweepTerms(name: "two"), self.shards(1..<2)), at: at(0))
        let grants = coordinator.handle(.workerJoined("a", slots: 3, holding: []), at: at(0)).grants
        #expect(grants.count == 3)
        terms.standing = .cancelled
        let directives = coordinator.handle(.sweepChanged(terms), at: at(1))
        let revoked = directives.compactMap { if case .revoke(let lease, _) = $0 { lease.key } else { nil } }
        #expect(Set(revoked) == [shardKey(0), shardKey(2)])
        #expect(coordinator.running.map(\.lease.key) == [shardKey(1)])
        coordinator.checkInvariants()
        let lease = coordinator.running[0].lease
        let end = coordinator.handle(.reported("a", lease, .finished(shardResult(lease.key), best: nil)), at: at(2))
        #expect(end.contains(.ended) && end.contains(.sweepEnded("two")))
    }

    /// Goal: what a sweep's new grid lacks does not run on, unless another sweep has it; asked for again, it runs again.
    @Test func `a smaller grid stops what it lacks, save what another sweep wants`() throws {
        var coordinator = Coordinator(epoch: 1)
        let terms = SweepTerms(name: "one")
        _ = coordinator.handle(.submitted(terms, self.shards(0..<6)), at: at(0))
        _ = coordinator.handle(.submitted(SweepTerms(name: "two"), self.shards(1..<3)), at: at(0))
        let running = coordinator.handle(.workerJoined("a", slots: 4, holding: []), at: at(0)).grants
        #expect(running.map(\.key) == (0..<4).map(shardKey))
        _ = coordinator.handle(.sweepChanged(SweepTerms(name: "two", standing: .paused)), at: at(1))
        let smaller = coordinator.handle(.submitted(terms, self.shards(0..<1)), at: at(1))
        #expect(smaller.contains(.revoke(running[3], from: "a")))
        #expect(smaller.contains(.requestHandBack([running[1], running[2]], from: "a")))
        #expect(smaller.grants.isEmpty)
        coordinator.checkInvariants()
        #expect(coordinator.explain(shardKey(4), at: at(1)) == ["it waits", "no sweep has it any more"])
        #expect(coordinator.counts().total == 3 && coordinator.counts(of: "one").total == 1)
        // It cannot come alive again, and its result is kept all the same.
        let back = coordinator.handle(.heartbeat("a", holding: [running[3]]), at: at(2))
        #expect(back.contains(.revoke(running[3], from: "a")))
        let late = coordinator.handle(
            .reported("a", running[3], .finished(shardResult(running[3].key), best: nil)),
            at: at(2)
        )
        #expect(late.results == 1)
        let larger = coordinator.handle(.submitted(terms, self.shards(0..<6)), at: at(3))
        #expect(larger.grants.map(\.key) == [shardKey(4)])
        #expect(coordinator.counts(of: "one").done == 1)
        coordinator.checkInvariants()
    }

    @Test func `a sweep whose new grid is done has ended`() throws {
        var coordinator = Coordinator(epoch: 1)
        let terms = SweepTerms(name: "one")
        _ = coordinator.handle(.submitted(terms, self.shards(0..<2)), at: at(0))
        let leases = coordinator.handle(.workerJoined("a", slots: 2, holding: []), at: at(0)).grants
        _ = coordinator.handle(.reported("a", leases[0], .finished(shardResult(leases[0].key), best: nil)), at: at(1))
        let end = coordinator.handle(.submitted(terms, self.shards(0..<1)), at: at(2))
        #expect(end.contains(.revoke(leases[1], from: "a")) && end.contains(.sweepEnded("one")) && end.contains(.ended))
        coordinator.checkInvariants()
    }

    @Test func `a shard of two sweeps runs once and counts for both`() throws {
        var coordinator = Coordinator(epoch: 1)
        _ = coordinator.handle(.submitted(SweepTerms(name: "one"), self.shards(0..<1)), at: at(0))
        _ = coordinator.handle(.submitted(SweepTerms(name: "two"), self.shards(0..<1)), at: at(0))
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 2, holding: []), at: at(0)).grants.first)
        #expect(coordinator.running.count == 1)
        let end = coordinator.handle(.reported("a", lease, .finished(shardResult(lease.key), best: nil)), at: at(2))
        #expect(end.contains(.sweepEnded("one")) && end.contains(.sweepEnded("two")) && end.contains(.ended))
        #expect(coordinator.counts(of: "two").done == 1)
        coordinator.checkInvariants()
    }

    @Test func `a worker gets no more than its memory holds, and only what its labels fit`() {
        var coordinator = Coordinator(epoch: 1)
        let large = Needs(memoryBytes: 3 << 30)
        _ = coordinator.handle(.submitted(SweepTerms(name: "large"), self.shards(0..<3, needs: large)), at: at(0))
        let labelled = Needs(labels: ["avx512"])
        _ = coordinator.handle(.submitted(SweepTerms(name: "rare"), self.shards(100..<103, needs: labelled)), at: at(0))
        let capacity = Capacity(slots: 4, memoryBytes: 8 << 30)
        let plain = coordinator.handle(.workerJoined("a", capacity, holding: []), at: at(0)).grants
        #expect(plain.map(\.key) == [shardKey(0), shardKey(1)])
        let able = Capacity(slots: 2, memoryBytes: 1 << 30, labels: ["avx512"])
        let other = coordinator.handle(.workerJoined("b", able, holding: []), at: at(0)).grants
        #expect(other.map(\.key) == [shardKey(100), shardKey(101)])
        let reasons = coordinator.explain(shardKey(2), at: at(1)) ?? []
        #expect(reasons.contains("worker a has 2048 MiB left, and it needs 3072"))
        #expect(reasons.contains("worker b has 1024 MiB, and it needs 3072"))
        coordinator.checkInvariants()
    }

    @Test func `a shard of chosen kernels goes only to workers that can run them, and goes on on any of these`() throws
    {
        var coordinator = Coordinator(epoch: 1)
        let needs = Needs(kernelClass: "Haswell")
        _ = coordinator.handle(.submitted(SweepTerms(name: "one"), self.shards(0..<1, needs: needs)), at: at(0))
        let other = Capacity(slots: 1, kernelClass: "Haswell on another library")
        #expect(coordinator.handle(.workerJoined("a", other, holding: []), at: at(0)).grants.isEmpty)
        #expect(coordinator.explain(shardKey(0), at: at(0))?.last == "worker a cannot run the Haswell kernels")
        let newer = Capacity(slots: 1, kernelClass: "Cooperlake", kernels: ["Cooperlake", "Haswell"])
        let lease = try #require(coordinator.handle(.workerJoined("b", newer, holding: []), at: at(0)).grants.first)
        _ = coordinator.handle(.checkpointed("b", lease, checkpoint(.last, step: 4, of: lease.key)), at: at(1))
        #expect(coordinator.checkpoints(of: lease.key)?.kernelClass == "Haswell")
        let own = Capacity(slots: 1, kernelClass: "Haswell", kernels: ["Haswell"])
        _ = coordinator.handle(.workerJoined("c", own, holding: []), at: at(1))
        _ = coordinator.handle(.workerDraining("b"), at: at(2))
        #expect(coordinator.handle(.handedBack("b", lease), at: at(2)).grants.map(\.key) == [lease.key])
        coordinator.checkInvariants()
    }

    @Test func `where no worker could ever take what waits, it is said once and why`() throws {
        var coordinator = Coordinator(epoch: 1)
        let needs = Needs(labels: ["lab"])
        _ = coordinator.handle(.submitted(SweepTerms(name: "one"), self.shards(0..<1)), at: at(0))
        _ = coordinator.handle(.submitted(SweepTerms(name: "two"), self.shards(1..<2, needs: needs)), at: at(0))
        func reasons(_ directives: [Coordinator.Directive]) -> [String] {
            directives.compactMap { if case .stalled(let reason) = $0 { reason } else { nil } }
        }
        let start = coordinator.handle(.workerJoined("a", slots: 2, holding: []), at: at(0))
        let lease = try #require(start.grants.first)
        #expect(reasons(start).isEmpty)
        let end = coordinator.handle(.reported("a", lease, .finished(shardResult(lease.key), best: nil)), at: at(1))
        #expect(reasons(end) == ["a lacks the label lab"])
        #expect(reasons(coordinator.handle(.heartbeat("a", holding: []), at: at(2))).isEmpty)
        let able = Capacity(slots: 1, labels: ["lab"])
        #expect(coordinator.handle(.workerJoined("b", able, holding: []), at: at(3)).grants.count == 1)
    }

    @Test func `of what grids ask for a shard the last holds`() throws {
        var coordinator = Coordinator(epoch: 1)
        let terms = SweepTerms(name: "one")
        let large = Needs(memoryBytes: 3 << 30)
        _ = coordinator.handle(.submitted(terms, self.shards(0..<3, needs: large)), at: at(0))
        let capacity = Capacity(slots: 3, memoryBytes: 5 << 30)
        #expect(coordinator.handle(.workerJoined("a", capacity, holding: []), at: at(0)).grants.count == 1)
        let smaller = Needs(memoryBytes: 2 << 30)
        let more = coordinator.handle(.submitted(terms, self.shards(0..<3, needs: smaller)), at: at(1))
        #expect(more.grants.map(\.key) == [shardKey(1)])
        coordinator.checkInvariants()
        let labelled = Needs(memoryBytes: 1, labels: ["x"])
        #expect(coordinator.handle(.submitted(terms, self.shards(0..<3, needs: labelled)), at: at(2)).grants.isEmpty)
        #expect(coordinator.running.count == 2)
        coordinator.checkInvariants()
    }

    @Test func `a shard goes on where the kernels are those it began with`() throws {
        var coordinator = Coordinator(epoch: 1)
        _ = coordinator.handle(.submitted(SweepTerms(name: "one"), self.shards(0..<1)), at: at(0))
        let haswell = Capacity(slots: 1, kernelClass: "Haswell")
        let lease = try #require(coordinator.handle(.workerJoined("a", haswell, holding: []), at: at(0)).grants.first)
        _ = coordinator.handle(.checkpointed("a", lease, checkpoint(.last, step: 4, of: lease.key)), at: at(1))
        _ = coordinator.handle(.workerDraining("a"), at: at(2))
        _ = coordinator.handle(.drainRequested, at: at(2))
        _ = coordinator.handle(.handedBack("a", lease), at: at(2))
        var next = Coordinator(epoch: 2)
        for (worker, kernels) in [("b", "Zen"), ("c", "Haswell"), ("d", "Zen")] {
            _ = next.handle(.workerJoined(worker, Capacity(slots: 1, kernelClass: kernels), holding: []), at: at(0))
        }
        let kept = try #require(coordinator.checkpoints(of: lease.key))
        let known = Coordinator.KnownShard(key: lease.key, checkpoints: kept)
        let directives = next.handle(.submitted(SweepTerms(name: "one"), [known]), at: at(0))
        #expect(directives.contains { if case .grant(_, "c", kept) = $0 { true } else { false } })
    }

    /// Goal: a shard that a silent worker loses goes to another, never to the silent one again.
    /// Method: its lease was renewed before it said its last word, so that it ends before the worker is given up.
    @Test func `a worker that has fallen silent gets nothing until it speaks`() {
        var coordinator = Coordinator(epoch: 1)
        _ = coordinator.handle(.submitted(SweepTerms(name: "one"), self.shards(0..<1)), at: at(0))
        let lease = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants[0]
        _ = coordinator.handle(.heartbeat("a", holding: [lease]), at: at(10))
        _ = coordinator.handle(.heartbeat("a", holding: []), at: at(20))
        let limits = coordinator.limits
        #expect(coordinator.handle(.timeAdvanced, at: at(10 + limits.leaseSeconds)).grants.isEmpty)
        #expect(coordinator.handle(.timeAdvanced, at: at(19 + limits.leaseSeconds)).grants.isEmpty)
        #expect(
            coordinator.explain(shardKey(0), at: at(45))?.contains { $0.contains("has said nothing for 25 s") } == true
        )
        #expect(coordinator.handle(.heartbeat("a", holding: []), at: at(19 + limits.leaseSeconds)).grants.count == 1)
    }

    @Test func `a worker whose machine goes soon gets nothing`() {
        var coordinator = Coordinator(epoch: 1)
        _ = coordinator.handle(.submitted(SweepTerms(name: "one"), self.shards(0..<1)), at: at(0))
        let brief = Capacity(slots: 1, secondsLeft: 59)
        #expect(coordinator.handle(.workerJoined("a", brief, holding: []), at: at(0)).grants.isEmpty)
        #expect(coordinator.explain(shardKey(0), at: at(0))?.contains { $0.contains("too little time") } == true)
        let longer = Capacity(slots: 1, secondsLeft: 61)
        #expect(coordinator.handle(.workerJoined("b", longer, holding: []), at: at(0)).grants.count == 1)
    }
}
