import Coordination
import Sweeps

// The workers of a simulated cluster: what their shells would do, and their trainers.
extension ClusterSimulation {
    mutating func handle(_ event: Worker.Event, on index: Int) {
        guard var worker = self.machines[index].worker else { return }
        let directives = worker.handle(event, at: self.now)
        self.machines[index].worker = worker
        for directive in directives { self.carryOut(directive, on: index) }
    }

    mutating func later(_ event: Worker.Event, on index: Int, within: ClosedRange<Int64>) {
        self.schedule(.event(worker: index, life: self.machines[index].life, event), within: within)
    }

    mutating func sendUp(_ message: Upward, from index: Int) {
        guard let connection = self.machines[index].connection else { return }
        self.send(.up(worker: index, connection: connection, message), stream: connection)
    }

    mutating func carryOut(_ directive: Worker.Directive, on index: Int) {
        let life = self.machines[index].life
        switch directive {
        case .dial:
            guard self.coordinator != nil, !self.random.chance(self.isCalm ? 0 : 0.1) else {
                return self.later(.disconnected(jitter: 0.3), on: index, within: 1...1000)
            }
            self.connections += 1
            self.machines[index].connection = self.connections
            guard let worker = self.machines[index].worker else { return }
            self.sendUp(.hello(slots: worker.slots, holding: worker.held), from: index)
        case .heartbeat(let holding): self.sendUp(.heartbeat(holding), from: index)
        case .announceDraining: self.sendUp(.draining, from: index)
        case .prepare(let lease): self.later(.prepared(lease.token), on: index, within: 1...2000)
        case .start(let lease):
            let step = self.machines[index].starts[lease.token]?.last?.step ?? 0
            self.machines[index].trainers[lease.token] = Trainer(lease: lease, step: step)
            self.schedule(.trainer(worker: index, life: life, lease.token), within: 10...2000)
        case .stop(let token): self.machines[index].trainers[token]?.isStopping = true
        case .kill(let token):
            guard self.machines[index].trainers.removeValue(forKey: token) != nil else { return }
            self.later(.trainerEnded(token, .failed(failure(.infrastructure))), on: index, within: 1...50)
        case .upload(let lease, let checkpoint): self.sendUp(.checkpoint(lease, checkpoint), from: index)
        case .spool(let lease, let outcome):
            self.machines[index].spool[lease.token] = Worker.Spooled(lease: lease, outcome: outcome)
            self.later(.spooled(lease.token), on: index, within: 1...20)
        case .report(let lease, let outcome): self.sendUp(.report(lease, outcome), from: index)
        case .handBack(let lease): self.sendUp(.handBack(lease), from: index)
        case .discard(let token):
            self.machines[index].spool[token] = nil
            self.machines[index].starts[token] = nil
        case .wake(let instant):
            self.machines[index].wakeRequest += 1
            let request = self.machines[index].wakeRequest
            self.schedule(.wakeWorker(worker: index, request: request), at: instant.milliseconds)
        case .leave(let departure):
            self.seen["\(departure)".split(separator: "(").first.map(String.init) ?? "", default: 0] += 1
            self.kill(index)
        }
    }

    mutating func tell(_ message: Downward, to index: Int) {
        switch message {
        case .welcome: self.handle(.connected, on: index)
        case .grant(let lease, let checkpoints):
            self.machines[index].starts[lease.token] = checkpoints
            self.handle(.granted(lease), on: index)
        case .revoke(let lease): self.handle(.revoked(lease.token), on: index)
        case .handBack(let leases): self.handle(.handBackRequested(leases.map(\.token)), on: index)
        case .settled(let lease): self.handle(.settled(lease.token), on: index)
        case .accepted(let lease, let digest): self.handle(.uploaded(lease.token, digest), on: index)
        case .missing(let lease, let digest): self.handle(.blobMissing(lease.token, digest), on: index)
        }
    }

    // MARK: - Trainers

    static let steps = 8

    mutating func train(_ token: LeaseToken, on index: Int) {
        guard var trainer = self.machines[index].trainers[token] else { return }
        let key = trainer.lease.key
        if trainer.isStopping {
            self.machines[index].trainers[token] = nil
            self.handle(.checkpointed(token, checkpoint(.last, step: trainer.step, of: key)), on: index)
            return self.handle(.trainerEnded(token, .interrupted), on: index)
        }
        if self.random.chance(0.01) {
            self.machines[index].trainers[token] = nil
            let kind: FailureKind = self.random.chance(0.2) ? .diverged : .other
            return self.handle(.trainerEnded(token, .failed(failure(.experiment, kind))), on: index)
        }
        trainer.step += 1
        self.machines[index].trainers[token] = trainer
        if trainer.step % 3 == 0 {
            self.handle(.checkpointed(token, checkpoint(.best, step: trainer.step, of: key)), on: index)
        }
        if trainer.step % 2 == 0 {
            self.handle(.checkpointed(token, checkpoint(.last, step: trainer.step, of: key)), on: index)
        }
        guard trainer.step >= Self.steps else {
            return self.schedule(.trainer(worker: index, life: self.machines[index].life, token), within: 10...8000)
        }
        self.machines[index].trainers[token] = nil
        self.handle(.trainerEnded(token, .finished(shardResult(key))), on: index)
    }
}
