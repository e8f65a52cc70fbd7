import Coordination
import Digests
import Sweeps
import Testing

@Suite struct CoordinatorTests {
    private func coordinator(shards: Int, epoch: UInt64 = 1) -> Coordinator {
        var coordinator = Coordinator(epoch: epoch)
        _ = coordinator.handle(.submitted((0..<shards).map { .init(key: shardKey($0)) }), at: at(0))
        return coordinator
    }

    @Test func `shards are granted in order to the freest workers`() {
        var coordinator = self.coordinator(shards: 4)
        let first = coordinator.handle(.workerJoined("b", slots: 1, holding: []), at: at(0)).grants
        let second = coordinator.handle(.workerJoined("a", slots: 2, holding: []), at: at(0)).grants
        #expect(first.map(\.key) == [shardKey(0)])
        #expect(second.map(\.key) == [shardKey(1), shardKey(2)])
        #expect(first[0].token < second[0].token && second[0].token < second[1].token)
        coordinator.checkInvariants()
    }

    @Test func `a result ends its shard once and frees the slot for the next one`() throws {
        var coordinator = self.coordinator(shards: 2)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        let report = Coordinator.Event.reported("a", lease, .finished(shardResult(lease.key), best: nil))
        let once = coordinator.handle(report, at: at(1))
        #expect(once.results == 1)
        #expect(once.contains(.settle(lease, with: "a")))
        #expect(once.grants.map(\.key) == [shardKey(1)])
        // Durable before it is acknowledged.
        let record = try #require(once.firstIndex { if case .record(.finished) = $0 { true } else { false } })
        let settle = try #require(once.firstIndex(of: .settle(lease, with: "a")))
        #expect(record < settle)
        let again = coordinator.handle(report, at: at(2))
        #expect(again.results == 0)
        #expect(again.contains(.settle(lease, with: "a")))
    }

    @Test func `an unrenewed lease expires and its late result counts while there is none`() throws {
        var coordinator = self.coordinator(shards: 1)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        _ = coordinator.handle(.workerLost("a"), at: at(1))
        _ = coordinator.handle(.timeAdvanced, at: at(30))
        #expect(coordinator.state(of: lease.key) == .queued(notBefore: nil))
        _ = coordinator.handle(.workerJoined("b", slots: 1, holding: []), at: at(31))
        let late = coordinator.handle(.reported("a", lease, .finished(shardResult(lease.key), best: nil)), at: at(32))
        #expect(late.results == 1)
        #expect(late.contains { if case .revoke(_, from: "b") = $0 { true } else { false } })
        #expect(coordinator.state(of: lease.key) == .done)
        #expect(late.contains(.ended))
    }

    @Test func `heartbeats keep a lease alive for as long as training takes`() throws {
        var coordinator = self.coordinator(shards: 1)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        for second in stride(from: 5, through: 100_000, by: 20) {
            #expect(coordinator.handle(.heartbeat("a", holding: [lease]), at: at(second)).entries.isEmpty)
        }
        #expect(coordinator.state(of: lease.key) == .leased(lease.token))
    }

    @Test func `checkpoints and failures of a dead attempt change nothing`() throws {
        var coordinator = self.coordinator(shards: 1)
        let old = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        _ = coordinator.handle(.workerLost("a"), at: at(1))
        _ = coordinator.handle(.timeAdvanced, at: at(30))
        let new = try #require(coordinator.handle(.workerJoined("b", slots: 1, holding: []), at: at(30)).grants.first)
        #expect(new.key == old.key && new.token > old.token)
        let stale = checkpoint(.last, step: 9, of: old.key)
        let answer = coordinator.handle(.checkpointed("a", old, stale), at: at(31))
        #expect(answer.entries.isEmpty && answer.contains(.discard(stale.digest)))
        #expect(coordinator.handle(.reported("a", old, .failed(failure())), at: at(31)).entries.isEmpty)
        // Nor may a worker speak for another one's lease.
        #expect(coordinator.handle(.handedBack("a", new), at: at(31)).entries.isEmpty)
        #expect(coordinator.state(of: new.key) == .leased(new.token))
    }

    @Test(arguments: [
        (FailureKind.diverged, 1, Coordinator.ShardState.failed), (.badInput, 1, .failed), (.other, 3, .quarantined),
        (.outOfMemory, 3, .quarantined),
    ])
    func `a shard is given up after as many failures as its kind allows`(
        kind: FailureKind,
        tries: Int,
        end: Coordinator.ShardState
    ) throws {
        var coordinator = self.coordinator(shards: 1)
        var (now, made) = (0, 0)
        _ = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0))
        while coordinator.state(of: shardKey(0)) != end {
            now += 1
            _ = coordinator.handle(.heartbeat("a", holding: coordinator.running.map(\.lease)), at: at(now))
            guard let lease = coordinator.running.first?.lease else { continue }
            made += 1
            let directives = coordinator.handle(.reported("a", lease, .failed(failure(.experiment, kind))), at: at(now))
            #expect(directives.contains(.settle(lease, with: "a")))
            try #require(now < 100)
        }
        #expect(made == tries)
    }

    @Test func `losses of workers do not use up a shard's own tries`() throws {
        var coordinator = self.coordinator(shards: 1)
        for loss in 0..<10 {
            let joined = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(loss * 200))
            #expect(joined.grants.count == 1)
            _ = coordinator.handle(.timeAdvanced, at: at(loss * 200 + 30))
        }
        let failures = try #require(coordinator.failures(of: shardKey(0)))
        #expect(failures.experiment.isEmpty && failures.infrastructure == 10)
        #expect(coordinator.state(of: shardKey(0)) != .failed)
    }

    @Test func `a failure is counted once, though its worker may not hear so and offers it again`() throws {
        var coordinator = self.coordinator(shards: 1)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        _ = coordinator.handle(.reported("a", lease, .failed(failure())), at: at(1))
        let failures = try #require(coordinator.failures(of: lease.key))
        #expect(failures.experiment.count == 1)
        // The same coordinator, and the next one on what was stored.
        var next = Coordinator(epoch: 2)
        _ = next.handle(.submitted([.init(key: lease.key, failures: failures)]), at: at(0))
        for var coordinator in [coordinator, next] {
            _ = coordinator.handle(.workerLost("a"), at: at(1))
            let again = coordinator.handle(.workerJoined("a", slots: 1, holding: [lease]), at: at(1))
            #expect(again.contains(.revoke(lease, from: "a")))
            let report = coordinator.handle(.reported("a", lease, .failed(failure())), at: at(1))
            #expect(report.contains(.settle(lease, with: "a")))
            #expect(coordinator.failures(of: lease.key)?.experiment.count == 1)
        }
    }

    @Test func `progress that was kept sets losses back, and the store is told`() throws {
        var coordinator = self.coordinator(shards: 1)
        _ = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0))
        let again = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(1))
        let lease = try #require(again.grants.first)
        #expect(coordinator.failures(of: lease.key)?.infrastructure == 1)
        let kept = checkpoint(.last, step: 2, of: lease.key)
        let entries = coordinator.handle(.checkpointed("a", lease, kept), at: at(2)).entries
        let failures = try #require(coordinator.failures(of: lease.key))
        #expect(failures.infrastructure == 0)
        #expect(entries == [.checkpoints(lease.key, Checkpoints(last: kept), failures)])
    }

    @Test func `handing back costs nothing and the next attempt goes on from the checkpoint`() throws {
        var coordinator = self.coordinator(shards: 1)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        let best = checkpoint(.best, step: 4, of: lease.key)
        let last = checkpoint(.last, step: 6, of: lease.key)
        let newer = checkpoint(.best, step: 7, of: lease.key)
        for it in [best, last, newer] { _ = coordinator.handle(.checkpointed("a", lease, it), at: at(1)) }
        _ = coordinator.handle(.workerDraining("a"), at: at(2))
        _ = coordinator.handle(.handedBack("a", lease), at: at(3))
        #expect(coordinator.failures(of: lease.key) == Coordinator.Failures())
        let directives = coordinator.handle(.workerJoined("b", slots: 1, holding: []), at: at(4))
        let expected = Checkpoints(last: last, best: newer)
        #expect(directives.contains { if case .grant(_, "b", expected) = $0 { true } else { false } })
    }

    @Test func `superseded checkpoints are discarded, and at the result the last one too`() throws {
        var coordinator = self.coordinator(shards: 1)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        let (first, second) = (checkpoint(.last, step: 1, of: lease.key), checkpoint(.last, step: 2, of: lease.key))
        let best = checkpoint(.best, step: 2, of: lease.key)
        _ = coordinator.handle(.checkpointed("a", lease, first), at: at(1))
        #expect(coordinator.handle(.checkpointed("a", lease, second), at: at(2)).contains(.discard(first.digest)))
        #expect(coordinator.handle(.checkpointed("a", lease, second), at: at(2)).entries.isEmpty)
        let end = coordinator.handle(.reported("a", lease, .finished(shardResult(lease.key), best: best)), at: at(3))
        #expect(end.contains(.discard(second.digest)) && !end.contains(.discard(best.digest)))
        #expect(coordinator.checkpoints(of: lease.key) == Checkpoints(best: best))
    }

    @Test func `an older best checkpoint than another attempt left is kept for the result that names it`() throws {
        var coordinator = self.coordinator(shards: 1)
        let first = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        let later = checkpoint(.best, step: 6, of: first.key)
        _ = coordinator.handle(.checkpointed("a", first, later), at: at(1))
        let again = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(2))
        let second = try #require(again.grants.first)
        let best = checkpoint(.best, step: 3, of: first.key)
        let kept = coordinator.handle(.checkpointed("a", second, best), at: at(3))
        #expect(kept.contains(.acceptCheckpoint(best.digest, of: second, with: "a")))
        #expect(!kept.contains(.discard(best.digest)))
        let end = coordinator.handle(.reported("a", second, .finished(shardResult(first.key), best: best)), at: at(4))
        #expect(end.contains(.discard(later.digest)))
        #expect(coordinator.checkpoints(of: first.key)?.best == best)
    }

    @Test func `a restarted coordinator gives stored leases a fresh deadline and adopts forgotten ones`() throws {
        let (stored, forgotten) = (LeaseToken(epoch: 1, counter: 1), LeaseToken(epoch: 1, counter: 2))
        var coordinator = Coordinator(epoch: 2)
        _ = coordinator.handle(
            .submitted([.init(key: shardKey(0), state: .leased(stored, to: "a")), .init(key: shardKey(1))]),
            at: at(0)
        )
        let leases = [Lease(token: stored, key: shardKey(0)), Lease(token: forgotten, key: shardKey(1))]
        let directives = coordinator.handle(.workerJoined("a", slots: 2, holding: leases), at: at(29))
        #expect(directives.grants.isEmpty)
        #expect(coordinator.running.map(\.lease) == leases)
        _ = coordinator.handle(.timeAdvanced, at: at(58))
        #expect(coordinator.running.count == 2)
    }

    @Test func `a lease that another attempt has overtaken is never adopted`() throws {
        var coordinator = self.coordinator(shards: 1, epoch: 2)
        let new = try #require(coordinator.handle(.workerJoined("b", slots: 1, holding: []), at: at(0)).grants.first)
        _ = coordinator.handle(.handedBack("b", new), at: at(1))
        _ = coordinator.handle(.workerDraining("b"), at: at(1))
        let old = Lease(token: LeaseToken(epoch: 1, counter: 7), key: new.key)
        let directives = coordinator.handle(.workerJoined("a", slots: 1, holding: [old]), at: at(2))
        #expect(directives.contains(.revoke(old, from: "a")))
        // And nobody can hold, or report on, what was not given out yet.
        let future = Lease(token: LeaseToken(epoch: 9, counter: 1), key: new.key)
        #expect(coordinator.handle(.heartbeat("a", holding: [future]), at: at(3)).contains(.revoke(future, from: "a")))
        let report = Coordinator.Event.reported("a", future, .finished(shardResult(new.key), best: nil))
        #expect(coordinator.handle(report, at: at(4)).results == 0)
    }

    @Test func `a worker that comes back without a lease has lost it`() throws {
        var coordinator = self.coordinator(shards: 1)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        _ = coordinator.handle(.workerLost("a"), at: at(1))
        let again = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(2)).grants
        #expect(again.map(\.key) == [lease.key])
    }

    @Test func `draining hands everything back and then says so`() throws {
        var coordinator = self.coordinator(shards: 3)
        let lease = try #require(coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.first)
        #expect(coordinator.handle(.drainRequested, at: at(1)).contains(.requestHandBack([lease], from: "a")))
        let end = coordinator.handle(.handedBack("a", lease), at: at(2))
        #expect(end.grants.isEmpty && end.contains(.drained))
    }

    @Test func `a silent worker is disconnected`() {
        var coordinator = self.coordinator(shards: 0)
        _ = coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0))
        #expect(coordinator.handle(.timeAdvanced, at: at(30)).contains(.disconnect("a")))
        #expect(coordinator.workers.isEmpty)
    }
}
