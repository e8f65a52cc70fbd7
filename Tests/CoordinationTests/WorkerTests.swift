import Coordination
import Digests
import Sweeps
import Testing

@Suite struct WorkerTests {
    private let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: shardKey(0))

    /// A connected worker whose trainer runs the lease.
    private func working(slots: Int = 1) -> Worker {
        var worker = Worker(slots: slots)
        _ = worker.handle(.started(spooled: []), at: at(0))
        _ = worker.handle(.connected, at: at(0))
        _ = worker.handle(.granted(self.lease), at: at(0))
        _ = worker.handle(.prepared(self.lease.token), at: at(0))
        return worker
    }

    @Test func `a grant is prepared and started when a slot is free`() {
        var worker = self.working()
        let second = Lease(token: LeaseToken(epoch: 1, counter: 2), key: shardKey(1))
        #expect(worker.handle(.granted(second), at: at(1)).contains(.prepare(second)))
        #expect(!worker.handle(.prepared(second.token), at: at(1)).contains(.start(second)))
        let end = worker.handle(.trainerEnded(self.lease.token, .failed(failure())), at: at(2))
        #expect(end.contains(.start(second)))
    }

    @Test func `training goes on without a coordinator and the result waits on disk`() throws {
        var worker = self.working()
        let outcome = Outcome.finished(shardResult(self.lease.key), best: nil)
        #expect(
            worker.handle(.disconnected(jitter: 0.5), at: at(1)).allSatisfy {
                if case .wake = $0 { true } else { false }
            }
        )
        let end = worker.handle(.trainerEnded(self.lease.token, .finished(shardResult(self.lease.key))), at: at(3600))
        #expect(end.contains(.spool(self.lease, outcome)))
        let spooled = worker.handle(.spooled(self.lease.token), at: at(3600))
        #expect(!spooled.contains(.report(self.lease, outcome)))
        #expect(worker.handle(.connected, at: at(3601)).contains(.report(self.lease, outcome)))
        // Said again on every connection until it is settled.
        _ = worker.handle(.disconnected(jitter: 0), at: at(3602))
        #expect(worker.handle(.connected, at: at(3603)).contains(.report(self.lease, outcome)))
        #expect(worker.handle(.settled(self.lease.token), at: at(3604)).contains(.discard(self.lease.token)))
        #expect(worker.held.isEmpty)
    }

    /// Goal: a worker that may be idle for ten seconds leaves after ten seconds in a row, connected and without work.
    @Test func `a worker leaves that is given nothing`() {
        var limits = Worker.Limits()
        limits.idleSeconds = 10
        func leaves(_ directives: [Worker.Directive]) -> Bool { directives.contains(.leave(.idle(seconds: 10))) }
        var worker = Worker(slots: 1, limits: limits)
        _ = worker.handle(.started(spooled: []), at: at(0))
        #expect(worker.handle(.connected, at: at(5)).contains { if case .wake = $0 { true } else { false } })
        #expect(!leaves(worker.handle(.timeAdvanced, at: at(14))))
        // Work, and the coordinator's absence, begin the time anew.
        #expect(!leaves(worker.handle(.granted(self.lease), at: at(14))))
        #expect(!leaves(worker.handle(.timeAdvanced, at: at(100))))
        #expect(!leaves(worker.handle(.revoked(self.lease.token), at: at(100))))
        #expect(!leaves(worker.handle(.disconnected(jitter: 0), at: at(105))))
        #expect(!leaves(worker.handle(.connected, at: at(112))))
        #expect(!leaves(worker.handle(.timeAdvanced, at: at(121))))
        #expect(leaves(worker.handle(.timeAdvanced, at: at(122))))
    }

    /// Goal: a node is not held for a coordinator that is gone for good, also where a result waits, which lies on disk.
    @Test func `a worker that may be idle does not wait for ever for its coordinator`() {
        var limits = Worker.Limits()
        limits.idleSeconds = 10
        var worker = Worker(slots: 1, limits: limits)
        _ = worker.handle(.started(spooled: []), at: at(0))
        _ = worker.handle(.connected, at: at(0))
        _ = worker.handle(.granted(self.lease), at: at(0))
        _ = worker.handle(.prepared(self.lease.token), at: at(0))
        _ = worker.handle(.disconnected(jitter: 0), at: at(1))
        #expect(worker.handle(.timeAdvanced, at: at(2000)).allSatisfy { if case .leave = $0 { false } else { true } })
        _ = worker.handle(.trainerEnded(self.lease.token, .finished(shardResult(self.lease.key))), at: at(2000))
        _ = worker.handle(.spooled(self.lease.token), at: at(2001))
        let end = 2001 + limits.idleAwaySeconds
        #expect(!worker.handle(.timeAdvanced, at: at(end - 1)).contains(.leave(.idle(seconds: 10))))
        #expect(worker.handle(.timeAdvanced, at: at(end)).contains(.leave(.idle(seconds: 10))))
    }

    @Test func `an outcome of an earlier process is offered again`() {
        let outcome = Outcome.finished(shardResult(self.lease.key), best: nil)
        var worker = Worker(slots: 1)
        #expect(
            worker.handle(.started(spooled: [.init(lease: self.lease, outcome: outcome)]), at: at(0)).contains(.dial)
        )
        #expect(worker.held == [self.lease])
        #expect(worker.handle(.connected, at: at(1)).contains(.report(self.lease, outcome)))
        // A revoked lease may still have the only result.
        #expect(!worker.handle(.revoked(self.lease.token), at: at(1)).contains(.discard(self.lease.token)))
    }

    @Test func `a result goes after its checkpoint`() {
        var worker = self.working()
        let best = checkpoint(.best, step: 3, of: self.lease.key)
        let last = checkpoint(.last, step: 4, of: self.lease.key)
        #expect(worker.handle(.checkpointed(self.lease.token, last), at: at(1)).contains(.upload(self.lease, last)))
        _ = worker.handle(.checkpointed(self.lease.token, best), at: at(1))
        _ = worker.handle(.trainerEnded(self.lease.token, .finished(shardResult(self.lease.key))), at: at(2))
        let outcome = Outcome.finished(shardResult(self.lease.key), best: best)
        #expect(!worker.handle(.spooled(self.lease.token), at: at(2)).contains(.report(self.lease, outcome)))
        #expect(worker.handle(.uploaded(self.lease.token, last.digest), at: at(3)).contains(.upload(self.lease, best)))
        #expect(
            worker.handle(.uploaded(self.lease.token, best.digest), at: at(4)).contains(.report(self.lease, outcome))
        )
        #expect(
            worker.handle(.blobMissing(self.lease.token, best.digest), at: at(5)).contains(.upload(self.lease, best))
        )
        // One that cannot be stored goes without.
        let bare = Outcome.finished(shardResult(self.lease.key), best: nil)
        let refused = worker.handle(.uploadRefused(self.lease.token, best.digest), at: at(6))
        #expect(refused.contains(.report(self.lease, bare)))
    }

    @Test func `a result whose checkpoint was given up after it was offered is offered without`() {
        var worker = self.working()
        let best = checkpoint(.best, step: 3, of: self.lease.key)
        _ = worker.handle(.checkpointed(self.lease.token, best), at: at(1))
        _ = worker.handle(.trainerEnded(self.lease.token, .finished(shardResult(self.lease.key))), at: at(2))
        _ = worker.handle(.uploadRefused(self.lease.token, best.digest), at: at(2))
        let outcome = Outcome.finished(shardResult(self.lease.key), best: best)
        #expect(worker.handle(.spooled(self.lease.token), at: at(2)).contains(.report(self.lease, outcome)))
        // The refusal comes once more, and then the question for what was refused.
        _ = worker.handle(.uploadRefused(self.lease.token, best.digest), at: at(3))
        _ = worker.handle(.blobMissing(self.lease.token, best.digest), at: at(3))
        let again = worker.handle(.uploadRefused(self.lease.token, best.digest), at: at(4))
        let bare = Outcome.finished(shardResult(self.lease.key), best: nil)
        let all = again + worker.handle(.blobMissing(self.lease.token, best.digest), at: at(5))
        #expect(all.contains(.report(self.lease, bare)))
    }

    @Test func `of waiting checkpoints only the newest of each kind are sent`() {
        let key = self.lease.key
        let all = [
            checkpoint(.best, step: 1, of: key), checkpoint(.last, step: 2, of: key),
            checkpoint(.best, step: 3, of: key),
            checkpoint(.best, step: 4, of: key), checkpoint(.last, step: 5, of: key),
            checkpoint(.best, step: 6, of: key),
            checkpoint(.best, step: 7, of: key),
        ]
        var worker = self.working()
        _ = worker.handle(.disconnected(jitter: 0), at: at(1))
        for it in all { _ = worker.handle(.checkpointed(self.lease.token, it), at: at(1)) }
        var uploaded: [Int] = []
        var directives = worker.handle(.connected, at: at(2))
        while case .upload(_, let it)? = directives.first(where: { if case .upload = $0 { true } else { false } }) {
            uploaded.append(it.step)
            directives = worker.handle(.uploaded(self.lease.token, it.digest), at: at(3))
        }
        #expect(uploaded == [5, 7])
    }

    @Test func `leaving stops trainers, uploads, hands back, and then leaves`() {
        var worker = self.working()
        let last = checkpoint(.last, step: 4, of: self.lease.key)
        let asked = worker.handle(.leaveRequested, at: at(1))
        #expect(asked.contains(.announceDraining) && asked.contains(.stop(self.lease.token)))
        _ = worker.handle(.checkpointed(self.lease.token, last), at: at(2))
        #expect(
            !worker.handle(.trainerEnded(self.lease.token, .interrupted), at: at(3)).contains(.handBack(self.lease))
        )
        #expect(worker.handle(.uploaded(self.lease.token, last.digest), at: at(4)).contains(.handBack(self.lease)))
        #expect(worker.handle(.settled(self.lease.token), at: at(5)).contains(.leave(.asked)))
    }

    @Test func `a trainer that does not stop is killed`() {
        var worker = self.working()
        _ = worker.handle(.handBackRequested([self.lease.token]), at: at(1))
        #expect(worker.handle(.timeAdvanced, at: at(61)).contains(.kill(self.lease.token)))
    }

    @Test func `leaving a second time leaves at once`() {
        var worker = self.working()
        _ = worker.handle(.leaveRequested, at: at(1))
        let directives = worker.handle(.leaveRequested, at: at(2))
        #expect(directives == [.kill(self.lease.token), .leave(.hurried)])
    }

    /// Goal: a cluster manager may say that the time is nearly up after the worker has seen so itself; only what comes
    /// after that is a wish to hurry.
    @Test func `of a worker that leaves in time the first request changes nothing`() {
        var worker = Worker(slots: 1, endsAt: at(200))
        _ = worker.handle(.started(spooled: []), at: at(0))
        _ = worker.handle(.connected, at: at(0))
        _ = worker.handle(.granted(self.lease), at: at(0))
        _ = worker.handle(.prepared(self.lease.token), at: at(0))
        #expect(worker.handle(.timeAdvanced, at: at(110)).contains(.stop(self.lease.token)))
        let asked = worker.handle(.leaveRequested, at: at(111))
        #expect(!asked.contains { [.kill(self.lease.token), .leave(.hurried), .leave(.asked)].contains($0) })
        let hurried = worker.handle(.leaveRequested, at: at(112))
        #expect(hurried == [.kill(self.lease.token), .leave(.hurried)])
    }

    @Test func `a worker without its first coordinator gives up soon, with one it waits for a day`() {
        var fresh = Worker(slots: 1)
        _ = fresh.handle(.started(spooled: []), at: at(0))
        _ = fresh.handle(.disconnected(jitter: 0), at: at(1))
        #expect(fresh.handle(.timeAdvanced, at: at(15)).contains(.leave(.unreachable(seconds: 15))))
        var known = self.working()
        _ = known.handle(.disconnected(jitter: 0), at: at(100))
        #expect(
            !known.handle(.timeAdvanced, at: at(100 + 86_399)).contains { if case .leave = $0 { true } else { false } }
        )
        #expect(known.handle(.timeAdvanced, at: at(100 + 86_400)).contains(.leave(.unreachable(seconds: 86_400))))
    }

    @Test func `dials wait longer each time, within bounds`() {
        var worker = Worker(slots: 1)
        _ = worker.handle(.started(spooled: []), at: at(0))
        _ = worker.handle(.connected, at: at(0))
        var waits: [Int64] = []
        for _ in 0..<8 {
            let directives = worker.handle(.disconnected(jitter: 0.5), at: at(0))
            guard case .wake(let until)? = directives.last else { continue }
            waits.append(until.milliseconds)
            #expect(worker.handle(.timeAdvanced, at: until).contains(.dial))
        }
        #expect(waits == [375, 750, 1500, 3000, 6000, 6000, 6000, 6000])
    }
}
