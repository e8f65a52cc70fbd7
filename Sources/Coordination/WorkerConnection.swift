internal import Digests
internal import Sweeps

// The worker's connection, its heartbeats, and its end.
extension Worker {
    mutating func start(_ spooled: [Spooled], at now: Instant) -> [Directive] {
        self.disconnectedSince = now
        for entry in spooled {
            self.attempts[entry.lease.token] = Attempt(key: entry.lease.key, phase: .spooled(entry.outcome))
        }
        return [.dial]
    }

    mutating func connect(at now: Instant) -> [Directive] {
        self.link = .connected(nextHeartbeat: now + self.limits.heartbeatSeconds)
        self.dialFailures = 0
        self.wasConnected = true
        self.disconnectedSince = nil
        self.idleSince = nil
        for token in self.attempts.keys {
            self.attempts[token]?.isUploading = false
            self.attempts[token]?.isReported = false
        }
        return self.leaveDeadline == nil ? [] : [.announceDraining]
    }

    mutating func disconnect(jitter: Double, at now: Instant) {
        precondition((0..<1).contains(jitter), "jitter \(jitter)")
        if self.disconnectedSince == nil {
            self.disconnectedSince = now
            self.idleSince = nil
        }
        let steps = min(self.dialFailures, 4)
        self.dialFailures += 1
        let longest = Double(self.limits.dialSecondsLimit * 1000) / Double(16 >> steps)
        let milliseconds = longest * (0.5 + jitter / 2)
        self.link = .waiting(until: Instant(milliseconds: now.milliseconds + Int64(milliseconds)))
    }

    /// Somebody asks for it.
    mutating func requestLeaving(at now: Instant) -> [Directive] {
        guard self.leaveDeadline != nil else { return self.beginLeaving(at: now) }
        guard self.leavesUnasked else { return self.depart(.hurried) }
        // It is being done already.
        self.leavesUnasked = false
        return []
    }

    private mutating func beginLeaving(at now: Instant) -> [Directive] {
        self.leaveDeadline = now + self.limits.leaveSeconds
        let announcement: [Directive] = self.isConnected ? [.announceDraining] : []
        return announcement + self.attempts.keys.sorted().flatMap { self.handBack($0, at: now) }
    }

    mutating func passTime(at now: Instant) -> [Directive] {
        guard self.departure == nil else { return [] }
        var directives: [Directive] = []
        // There must be time left to stop after a checkpoint and to hand back.
        if let time = self.leaveTime, time <= now, self.leaveDeadline == nil {
            self.leavesUnasked = true
            directives += self.beginLeaving(at: now)
        }
        switch self.link {
        case .waiting(let until) where until <= now:
            self.link = .dialing
            directives.append(.dial)
        case .connected(let next) where next <= now:
            self.link = .connected(nextHeartbeat: now + self.limits.heartbeatSeconds)
            directives.append(.heartbeat(self.held))
        default: break
        }
        for (token, attempt) in self.attempts.sorted(by: { $0.key < $1.key }) {
            guard case .running(.handBack(let deadline)) = attempt.phase, deadline <= now else { continue }
            self.attempts[token]?.phase = .running(.revoked)
            directives.append(.kill(token))
        }
        return directives
    }

    /// Whether everything that it has lies on disk, and waits there as well as here.
    private var isAllSpooled: Bool {
        self.attempts.values.allSatisfy { if case .spooled = $0.phase { true } else { false } }
    }

    mutating func noteIdleness(at now: Instant) {
        let isIdle = self.isConnected ? self.attempts.isEmpty : self.isAllSpooled
        self.idleSince = isIdle ? self.idleSince ?? now : nil
    }

    mutating func departIfDone(at now: Instant) -> [Directive] {
        guard self.departure == nil else { return [] }
        if let deadline = self.leaveDeadline {
            if self.attempts.isEmpty { return self.depart(.asked) }
            if deadline <= now { return self.depart(.hurried) }
            // What lies on disk is offered again by the next start; nobody waits for a coordinator that is away.
            if self.isAllSpooled, !self.isConnected { return self.depart(.asked) }
        }
        if self.isDismissed, self.attempts.isEmpty { return self.depart(.dismissed) }
        if let time = self.idleEnd, time <= now { return self.depart(.idle(seconds: self.limits.idleSeconds ?? 0)) }
        if let since = self.disconnectedSince {
            let patience = self.wasConnected ? self.limits.graceSeconds : self.limits.firstConnectionSeconds
            if since + patience <= now { return self.depart(.unreachable(seconds: patience)) }
        }
        return []
    }

    private mutating func depart(_ departure: Departure) -> [Directive] {
        self.departure = departure
        let running = self.attempts.filter { if case .running = $0.value.phase { true } else { false } }
        return running.keys.sorted().map(Directive.kill) + [.leave(departure)]
    }

    /// When to leave for want of work.
    private var idleEnd: Instant? {
        guard let since = self.idleSince, let seconds = self.limits.idleSeconds else { return nil }
        return since + (self.isConnected ? seconds : max(seconds, self.limits.idleAwaySeconds))
    }

    /// When to begin to leave by oneself.
    private var leaveTime: Instant? {
        self.endsAt.map { Instant(milliseconds: $0.milliseconds - Int64(self.limits.leaveSeconds) * 1000) }
    }

    var earliestDeadline: Instant? {
        var deadlines: [Instant] = []
        switch self.link {
        case .waiting(let until): deadlines.append(until)
        case .connected(let next): deadlines.append(next)
        case .dialing: break
        }
        if let leaveDeadline = self.leaveDeadline {
            deadlines.append(leaveDeadline)
        } else if let leaveTime = self.leaveTime {
            deadlines.append(leaveTime)
        }
        if let idleEnd = self.idleEnd { deadlines.append(idleEnd) }
        if let since = self.disconnectedSince {
            deadlines.append(
                since + (self.wasConnected ? self.limits.graceSeconds : self.limits.firstConnectionSeconds)
            )
        }
        for attempt in self.attempts.values {
            if case .running(.handBack(let deadline)) = attempt.phase { deadlines.append(deadline) }
        }
        return deadlines.min()
    }
}
