internal import Digests
internal import Sweeps

// The worker's attempts, from the grant until the coordinator has dealt with what came of them.
extension Worker {
    mutating func accept(_ lease: Lease) -> [Directive] {
        guard self.attempts[lease.token] == nil else { return [] }
        guard self.leaveDeadline == nil else { return self.isConnected ? [.handBack(lease)] : [] }
        self.attempts[lease.token] = Attempt(key: lease.key, phase: .preparing)
        return [.prepare(lease)]
    }

    mutating func move(_ token: LeaseToken, from: Phase, to: Phase) {
        guard self.attempts[token]?.phase == from else { return }
        self.attempts[token]?.phase = to
    }

    /// An outcome that is on disk is offered all the same: it counts while its shard has no result.
    mutating func revoke(_ token: LeaseToken) -> [Directive] {
        guard let attempt = self.attempts[token] else { return [] }
        switch attempt.phase {
        case .preparing, .ready, .handingBack: return self.forget(token)
        case .running(.revoked), .spooling, .spooled: return []
        case .running:
            self.attempts[token]?.phase = .running(.revoked)
            self.attempts[token]?.uploads = []
            self.attempts[token]?.isUploading = false
            return [.kill(token)]
        }
    }

    mutating func handBack(_ token: LeaseToken, at now: Instant) -> [Directive] {
        guard let attempt = self.attempts[token] else { return [] }
        switch attempt.phase {
        case .preparing, .ready:
            self.attempts[token]?.phase = .handingBack
            return []
        case .running(.none):
            self.attempts[token]?.phase = .running(.handBack(deadline: now + self.limits.stopSeconds))
            return [.stop(token)]
        case .running, .spooling, .spooled, .handingBack: return []
        }
    }

    mutating func settle(_ token: LeaseToken) -> [Directive] {
        guard let attempt = self.attempts[token] else { return [] }
        switch attempt.phase {
        case .spooled, .handingBack: return self.forget(token)
        case .preparing, .ready, .running, .spooling: return []
        }
    }

    private mutating func forget(_ token: LeaseToken) -> [Directive] {
        self.attempts[token] = nil
        return [.discard(token)]
    }

    mutating func giveUp(_ token: LeaseToken, _ failure: AttemptFailure) -> [Directive] {
        guard self.attempts[token]?.phase == .preparing else { return [] }
        return self.spool(token, .failed(failure))
    }

    private mutating func spool(_ token: LeaseToken, _ outcome: Outcome) -> [Directive] {
        guard let attempt = self.attempts[token] else { return [] }
        self.attempts[token]?.phase = .spooling(outcome)
        return [.spool(Lease(token: token, key: attempt.key), outcome)]
    }

    mutating func confirmSpool(_ token: LeaseToken) {
        guard case .spooling(let outcome) = self.attempts[token]?.phase else { return }
        self.attempts[token]?.phase = .spooled(outcome)
    }

    /// Queues a checkpoint for upload in place of those that it makes useless.
    mutating func note(_ token: LeaseToken, _ checkpoint: TrainerEvent.Checkpointed) {
        guard let attempt = self.attempts[token], case .running(let ending) = attempt.phase, ending != .revoked else {
            return
        }
        if checkpoint.kind == .best { self.attempts[token]?.best = checkpoint }
        let underway = attempt.isUploading ? 1 : 0
        let (fixed, waiting) = (attempt.uploads.prefix(underway), attempt.uploads.dropFirst(underway))
        self.attempts[token]?.uploads = fixed + Self.withoutSuperseded(waiting + [checkpoint])
    }

    /// Of each kind the newest is of use.
    static func withoutSuperseded(_ uploads: [TrainerEvent.Checkpointed]) -> [TrainerEvent.Checkpointed] {
        uploads.indices.filter { index in
            !uploads[(index + 1)...].contains { $0.kind == uploads[index].kind }
        }.map { uploads[$0] }
    }

    mutating func end(_ token: LeaseToken, _ end: TrainerEnd) -> [Directive] {
        guard let attempt = self.attempts[token], case .running(let ending) = attempt.phase else { return [] }
        if ending == .revoked {
            // Killed for taking too long to stop, it still has checkpoints that others can go on from.
            guard self.leaveDeadline != nil, !attempt.uploads.isEmpty else { return self.forget(token) }
            self.attempts[token]?.phase = .handingBack
            return []
        }
        switch end {
        case .finished(let result):
            // Only the scored parameters are of use any more.
            let best = attempt.best
            let underway = attempt.isUploading ? 1 : 0
            let useful = attempt.uploads.dropFirst(underway).filter { $0 == best }
            self.attempts[token]?.uploads = attempt.uploads.prefix(underway) + useful
            return self.spool(token, .finished(result, best: best))
        case .interrupted:
            self.attempts[token]?.phase = .handingBack
            return []
        case .failed(let failure):
            return self.spool(token, .failed(failure))
        }
    }

    mutating func finishUpload(_ token: LeaseToken, _ digest: Digest) {
        guard let attempt = self.attempts[token], attempt.isUploading, attempt.uploads.first?.digest == digest else {
            return
        }
        self.attempts[token]?.uploads.removeFirst()
        self.attempts[token]?.isUploading = false
    }

    /// A result goes without its checkpoint rather than not at all.
    mutating func abandonUpload(_ token: LeaseToken, _ digest: Digest) {
        self.finishUpload(token, digest)
        if case .spooled(.finished(let result, let best?)) = self.attempts[token]?.phase, best.digest == digest {
            self.attempts[token]?.phase = .spooled(.finished(result, best: nil))
        }
    }

    /// The result's own checkpoint goes first, and the result after it once more.
    mutating func requireBlob(_ token: LeaseToken, _ digest: Digest) {
        guard let attempt = self.attempts[token], case .spooled(.finished(_, let best)) = attempt.phase else { return }
        // Where the blob was given up meanwhile, the result goes without it.
        if let best, best.digest == digest, !attempt.uploads.contains(best) {
            self.attempts[token]?.uploads.append(best)
        }
        self.attempts[token]?.isReported = false
    }

    mutating func startReady() -> [Directive] {
        var running = self.attempts.values.count { if case .running = $0.phase { true } else { false } }
        var directives: [Directive] = []
        for (token, attempt) in self.attempts.sorted(by: { $0.key < $1.key }) where attempt.phase == .ready {
            guard running < self.slots else { break }
            self.attempts[token]?.phase = .running(.none)
            directives.append(.start(Lease(token: token, key: attempt.key)))
            running += 1
        }
        return directives
    }

    /// Uploads, and what may be said once nothing is left to upload.
    mutating func sendPending() -> [Directive] {
        guard self.isConnected, self.departure == nil else { return [] }
        var directives: [Directive] = []
        for (token, attempt) in self.attempts.sorted(by: { $0.key < $1.key }) {
            let lease = Lease(token: token, key: attempt.key)
            if let upload = attempt.uploads.first {
                guard !attempt.isUploading else { continue }
                self.attempts[token]?.isUploading = true
                directives.append(.upload(lease, upload))
            } else if !attempt.isReported {
                switch attempt.phase {
                case .spooled(let outcome): directives.append(.report(lease, outcome))
                case .handingBack: directives.append(.handBack(lease))
                case .preparing, .ready, .running, .spooling: continue
                }
                self.attempts[token]?.isReported = true
            }
        }
        return directives
    }

    func checkInvariants() {
        let running = self.attempts.values.count { if case .running = $0.phase { true } else { false } }
        precondition(running <= self.slots, "\(running) trainers in \(self.slots) slots")
        for (token, attempt) in self.attempts {
            precondition(!attempt.isUploading || !attempt.uploads.isEmpty, "\(token) uploads nothing")
            precondition(attempt.uploads.count <= 4, "\(token) has \(attempt.uploads.count) uploads waiting")
        }
    }
}
