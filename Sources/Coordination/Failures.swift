internal import Sweeps

extension Coordinator {
    /// How often a shard went wrong, where, and how the last time.
    public struct Failures: Hashable, Codable, Sendable {
        /// Its own failures, the oldest first; never more than its attempts.
        public var experiment: [Failure] = []
        /// Losses in a row: progress that was kept sets it back to 0.
        public var infrastructure = 0
        public var last: AttemptFailure?
        /// The last attempt that reported one. It is over, though its worker may not have heard so.
        public var reported: LeaseToken?

        public init() {}

        /// A failure of the shard's own run.
        public struct Failure: Hashable, Codable, Sendable {
            public var worker: WorkerName
            public var failure: AttemptFailure

            public init(worker: WorkerName, failure: AttemptFailure) {
                self.worker = worker
                self.failure = failure
            }
        }

        /// Whether its own run went wrong there.
        func names(_ worker: WorkerName) -> Bool { self.experiment.contains { $0.worker == worker } }
    }

    /// What a shard's failures come to.
    public enum Verdict: Hashable, Sendable {
        /// It is tried again.
        case retry
        /// It would fail in the same way anywhere.
        case failed
        /// Nobody should run it again before a person has looked.
        case quarantined(reason: String)
    }

    /// What is remembered of a worker.
    struct WorkerRecord: Sendable {
        /// Shards that it failed since it finished one.
        var failed: Set<ShardKey> = []
        var finished = 0
        var suspensions = 0
        /// No grants before this.
        var suspendedUntil: Instant?
        var suspensionReason = ""

        /// A worker that was suspended gets one shard at a time until it has finished one.
        var isOnProbation: Bool { self.suspensions > 0 }
    }
}

// What failures come to: for the shard, and for the worker on which it failed.
extension Coordinator {
    /// Counts a failure and decides whether the shard is tried again. Its lease has been released.
    mutating func countFailure(
        _ failure: AttemptFailure,
        of key: ShardKey,
        on worker: WorkerName,
        at now: Instant
    ) -> [Directive] {
        guard var entry = self.shards[key] else { preconditionFailure("\(key) is unknown") }
        entry.failures.last = failure
        let verdict: Verdict
        switch failure.cause {
        case .experiment:
            entry.failures.experiment.append(.init(worker: worker, failure: failure))
            verdict = self.verdict(entry.failures)
        case .infrastructure:
            entry.failures.infrastructure += 1
            let count = entry.failures.infrastructure
            verdict =
                count < self.limits.infrastructureAttempts
                ? .retry : .quarantined(reason: "it was lost \(count) times in a row: \(failure.message)")
        }
        self.shards[key]?.failures = entry.failures
        var revoked: [Directive] = []
        switch verdict {
        case .retry:
            // Where a twin runs on, nothing has to wait.
            if case .leased = entry.state { break }
            self.enqueue(key, notBefore: self.retryTime(entry.failures, failure.cause, at: now))
        case .failed, .quarantined:
            revoked = self.revokeAll(of: key)
            self.shards[key]?.state = verdict == .failed ? .failed : .quarantined
            self.countOver(entry)
        }
        return [.record(.failed(key, entry.failures, verdict))] + revoked
    }

    private func verdict(_ failures: Failures) -> Verdict {
        guard let latest = failures.experiment.last else { return .retry }
        if latest.failure.kind.isDeterministic { return .failed }
        let alike = failures.experiment.dropLast().first {
            $0.worker != latest.worker && $0.failure.isLike(latest.failure)
        }
        if let alike {
            let workers = "\(alike.worker) and \(latest.worker)"
            return .quarantined(reason: "it failed alike on \(workers): \(latest.failure.message)")
        }
        let count = failures.experiment.count
        guard count >= self.limits.experimentAttempts else { return .retry }
        return .quarantined(reason: "it failed \(count) times: \(latest.failure.message)")
    }

    private mutating func retryTime(_ failures: Failures, _ cause: AttemptFailure.Cause, at now: Instant) -> Instant? {
        let count = cause == .experiment ? failures.experiment.count : failures.infrastructure
        // The first loss is most likely the machine's end: the shard need not wait for it.
        if cause == .infrastructure, count == 1 { return nil }
        let wait = min(self.limits.retrySeconds << min(count - 1, 16), self.limits.retrySecondsLimit)
        let milliseconds = Double(wait) * 1000 * (0.5 + self.jitter.uniform())
        return Instant(milliseconds: now.milliseconds + Int64(milliseconds))
    }

    /// A worker that fails shard after shard is more likely at fault than they are: it gets none for a while, and what
    /// failed there does not count against the shards.
    mutating func blame(_ worker: WorkerName, for failure: AttemptFailure, of key: ShardKey, at now: Instant)
        -> [Directive]
    {
        guard !failure.kind.isDeterministic else { return [] }
        self.records[worker, default: WorkerRecord()].failed.insert(key)
        guard let record = self.records[worker] else { return [] }
        // A full disk fails whatever comes next.
        let isHopeless = failure.kind == .diskFull
        let isAtFault =
            record.failed.count >= self.suspensionFailures(of: record) && self.canDoWithout(worker, at: now)
        guard isHopeless || isAtFault else { return [] }
        let seconds = min(
            self.limits.suspensionSeconds << min(record.suspensions, 16),
            self.limits.suspensionSecondsLimit
        )
        self.records[worker]?.suspendedUntil = now + seconds
        self.records[worker]?.suspensions += 1
        self.records[worker]?.failed = []
        self.records[worker]?.suspensionReason = failure.message
        let forgiven = record.failed.sorted().flatMap { self.forgive($0, on: worker) }
        let count = record.failed.count == 1 ? "a shard" : "\(record.failed.count) shards in a row"
        return forgiven + [
            .suspended(worker, seconds: seconds, reason: "it failed \(count), the last with: \(failure.message)")
        ]
    }

    /// Says once that no worker that is there can go on.
    mutating func announceStall(at now: Instant) -> [Directive] {
        let reason = self.stallReason(at: now)
        defer { self.isStallTold = reason != nil }
        guard let reason, !self.isStallTold else { return [] }
        return [.stalled(reason: reason)]
    }

    private func stallReason(at now: Instant) -> String? {
        let active = self.sweeps.filter { $0.terms.standing == .active && $0.unfinished > 0 }
        guard !active.isEmpty, !self.members.isEmpty else { return nil }
        if self.members.keys.allSatisfy({ self.isSuspended($0, at: now) }) {
            return self.members.keys.min().map { "\($0): \(self.records[$0]?.suspensionReason ?? "")" }
        }
        guard self.leases.isEmpty, self.delayed.isEmpty else { return nil }
        let waiting = active.flatMap(\.waiting).filter { !$0.value.isEmpty }
        let isHopeless = waiting.allSatisfy { demand, _ in !self.members.values.contains { $0.couldFit(demand.needs) } }
        guard isHopeless, let (worker, member) = self.members.min(by: { $0.key < $1.key }),
            let first = waiting.compactMap(\.value.lowest).min(), let entry = self.shards[self.order[first]]
        else { return nil }
        return "\(worker) \(self.obstacle(worker, member, for: entry, at: now))"
    }

    /// On probation one failure is enough.
    private func suspensionFailures(of record: WorkerRecord) -> Int {
        record.isOnProbation ? 1 : self.limits.suspensionFailures
    }

    /// Whether somebody else is there to work, and to have finished a shard where this one has.
    private func canDoWithout(_ worker: WorkerName, at now: Instant) -> Bool {
        let others = self.members.filter {
            $0.key != worker && !$0.value.isDraining && !self.isSuspended($0.key, at: now)
        }
        guard (self.records[worker]?.finished ?? 0) > 0 else { return !others.isEmpty }
        return others.keys.contains { (self.records[$0]?.finished ?? 0) > 0 }
    }

    private mutating func forgive(_ key: ShardKey, on worker: WorkerName) -> [Directive] {
        guard let entry = self.shards[key], !entry.state.isOver, entry.failures.names(worker) else { return [] }
        self.shards[key]?.failures.experiment.removeAll { $0.worker == worker }
        guard let failures = self.shards[key]?.failures else { return [] }
        return [.record(.failed(key, failures, .retry))]
    }

    func isSuspended(_ worker: WorkerName, at now: Instant) -> Bool {
        self.records[worker]?.suspendedUntil.map { $0 > now } ?? false
    }

    /// A shard that was given up is queued again, with all its tries.
    mutating func retry(_ key: ShardKey) -> [Directive] {
        guard let entry = self.shards[key] else { return [] }
        switch entry.state {
        case .queued, .leased, .done: return []
        case .failed, .quarantined: break
        }
        self.shards[key]?.failures = Failures()
        for sweep in entry.sweeps { self.sweeps[sweep].unfinished += 1 }
        self.enqueue(key, notBefore: nil)
        self.isEndTold = false
        return [.record(.retried(key))]
    }
}

extension AttemptFailure {
    /// Whether both tell of the same fault: numbers in their messages (addresses, process ids, times) may differ.
    func isLike(_ other: AttemptFailure) -> Bool {
        self.cause == other.cause && self.kind == other.kind && self.gist == other.gist
    }

    private var gist: String {
        String(self.message.prefix(400).lazy.filter { !$0.isNumber && !$0.isHexDigit })
    }
}
