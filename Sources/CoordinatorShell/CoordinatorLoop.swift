internal import Coordination
internal import Digests
internal import Dispatch
internal import Foundation
internal import Sweeps
internal import Wire

/// The one loop through which everything that happens at a coordinator passes, on a thread of its own.
///
/// It takes all events that wait, hands them to the pure coordinator, makes durable what that wants durable in one
/// transaction, and only then carries out the rest, in order. A write that fails ends the loop: nothing was said of
/// what it held, so that nobody relies on it.
final class CoordinatorLoop: Sendable {
    enum Input: Sendable {
        case event(Coordinator.Event)
        case submitted(SubmittedSweep)
        /// A worker's hello on a connection; earlier connections of the same worker are closed.
        case joined(WorkerName, Hello, WorkerLink)
        /// Whatever a worker says later, on the connection it said it on.
        ///
        /// - Parameter resultText: the result in it as it came.
        case said(WorkerName, WorkerMessage, resultText: String?, ObjectIdentifier)
        case lost(WorkerName, ObjectIdentifier)
        /// Shuts a worker out durably, then lets go of it and calls back. Comes before all that waits with it, so that
        /// nothing the worker said is taken afterwards.
        case ban(WorkerName, @Sendable (Result<Void, StoreError>) -> Void)
        case query(@Sendable (borrowing Coordinator, _ names: [ShardKey: String]) -> Void)
        case stop
    }

    /// What only the loop's thread touches.
    private struct State {
        var coordinator: Coordinator
        /// The names of shards, for people.
        var names: [ShardKey: String] = [:]
        var checkpointSeconds: [ShardKey: Double] = [:]
        var links: [WorkerName: WorkerLink] = [:]
        /// The results that came in this turn, as they came.
        var resultTexts: [LeaseToken: String] = [:]
        /// What this turn has to say to each worker.
        var outbox: [WorkerName: [CoordinatorMessage]] = [:]
        var wakeAt: Instant?
        /// When room was last looked for.
        var measuredAt: Instant?
        /// Entries that may wait for the next transaction, and until when.
        var lazyEntries: [Coordinator.JournalEntry] = []
        var lazyDeadline: Instant?
        /// Whether every shard is over.
        var isEnded = false
        /// Leases whose start was told.
        var started: Set<LeaseToken> = []
        var leaseTimes = LeaseTimes()
    }

    private let store: Store
    private let disk: CheckpointDisk
    private var blobs: BlobStore { self.disk.blobs }
    /// Whether workers are let go once every sweep is over.
    private let dismissesAtEnd: Bool
    private let notify: @Sendable (CoordinatorNotice) -> Void
    private let mailbox = Mailbox<Input>()
    private let ended = DispatchSemaphore(value: 0)
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now

    /// How long an entry that need not be durable at once may wait.
    private static let lazySeconds = 1
    /// How long the room that was found is relied on.
    private static let roomMilliseconds: Int64 = 1000

    init(
        store: Store,
        disk: CheckpointDisk,
        dismissesAtEnd: Bool,
        notify: @escaping @Sendable (CoordinatorNotice) -> Void
    ) {
        self.store = store
        self.disk = disk
        self.dismissesAtEnd = dismissesAtEnd
        self.notify = notify
    }

    func start(_ coordinator: Coordinator) {
        let thread = Thread { [self] in self.run(State(coordinator: coordinator)) }
        thread.name = "coordinator"
        thread.start()
    }

    /// Adds an input; from any thread.
    ///
    /// - Returns: whether the loop still runs.
    @discardableResult
    func post(_ input: Input) -> Bool {
        self.mailbox.post(input)
    }

    /// Asks the coordinator something; `nil` when the loop is over.
    func ask<Answer: Sendable>(
        _ question: @escaping @Sendable (borrowing Coordinator, _ names: [ShardKey: String]) -> Answer
    ) async -> Answer? {
        await withCheckedContinuation { continuation in
            if !self.post(.query { continuation.resume(returning: question($0, $1)) }) {
                continuation.resume(returning: nil)
            }
        }
    }

    var now: Instant {
        Instant(milliseconds: Int64((self.clock.now - self.origin) / .milliseconds(1)))
    }

    private func run(_ state: consuming State) {
        var state = state
        var isStopping = false
        while !isStopping {
            let deadline = [state.wakeAt, state.lazyDeadline].compactMap { $0 }.min()
            let inputs = self.mailbox.take(
                withinMilliseconds: deadline.map { Int($0.milliseconds - self.now.milliseconds) }
            )
            do {
                isStopping = try self.turn(inputs, &state)
            } catch {
                self.notify(.broken("\(error)"))
                isStopping = true
            }
        }
        let rest = self.mailbox.close()
        for case .query(let question) in rest { question(state.coordinator, state.names) }
        for case .ban(_, let answer) in rest { answer(.failure(StoreError("the coordinator has stopped"))) }
        for link in state.links.values { link.close() }
        self.ended.signal()
    }

    /// One turn of the loop; says whether it was the last.
    private func turn(_ inputs: [Input], _ state: inout State) throws -> Bool {
        let now = self.now
        var isLast = false
        var directives: [Coordinator.Directive] = []
        let banned = inputs.compactMap { input in
            if case .ban(let worker, let answer) = input, self.ban(worker, answer, &state) { worker } else { nil }
        }
        // All of them before anybody gets what they held.
        if !banned.isEmpty { directives += state.coordinator.handle(.workersBanned(banned), at: now) }
        if now.milliseconds - (state.measuredAt?.milliseconds ?? .min / 2) >= Self.roomMilliseconds {
            state.measuredAt = now
            directives += state.coordinator.handle(.roomMeasured(self.disk.room()), at: now)
        }
        for input in inputs {
            switch input {
            case .event(let event): directives += state.coordinator.handle(event, at: now)
            case .submitted(let sweep):
                state.isEnded = false
                state.names.merge(sweep.names) { first, _ in first }
                state.checkpointSeconds.merge(sweep.checkpointSeconds) { first, _ in first }
                directives += state.coordinator.handle(.submitted(sweep.terms, sweep.shards), at: now)
            case .joined(let worker, let hello, let link):
                // It may have been let in a moment before it was banned.
                guard try !self.store.isBanned(worker) else {
                    link.cut()
                    continue
                }
                state.links.updateValue(link, forKey: worker)?.close()
                state.leaseTimes.note(worker, threads: hello.threads)
                self.notify(.workerJoined(worker, hello))
                directives += state.coordinator.handle(
                    .workerJoined(worker, hello.capacity, holding: hello.holding),
                    at: now
                )
                if state.isEnded { self.say(.dismissed, to: worker, &state) }
            case .said(let worker, let message, let text, let link):
                guard state.links[worker]?.id == link, let event = self.event(worker, message, &state) else { continue }
                if case .reported(_, let lease, _) = event { state.resultTexts[lease.token] = text }
                directives += state.coordinator.handle(event, at: now)
            case .lost(let worker, let link):
                guard state.links[worker]?.id == link else { continue }
                state.links[worker] = nil
                self.notify(.workerLost(worker))
                directives += state.coordinator.handle(.workerLost(worker), at: now)
            case .query(let question): question(state.coordinator, state.names)
            case .ban: break
            case .stop: isLast = true
            }
        }
        if let wakeAt = state.wakeAt, wakeAt <= now {
            state.wakeAt = nil
            directives += state.coordinator.handle(.timeAdvanced, at: now)
        }
        try self.record(directives, isLast: isLast, at: now, &state)
        state.resultTexts = [:]
        let shards = try self.shards(granted: directives)
        for directive in directives {
            if let time = state.leaseTimes.note(directive, at: now) { self.notify(.released(time)) }
            try self.carryOut(directive, shards, &state)
        }
        for worker in state.outbox.keys { self.deliver(to: worker, &state) }
        return isLast
    }

    /// - Returns: whether that is durable.
    private func ban(
        _ worker: WorkerName,
        _ answer: (Result<Void, StoreError>) -> Void,
        _ state: inout State
    ) -> Bool {
        do throws(StoreError) {
            try self.store.ban(worker)
        } catch {
            answer(.failure(error))
            return false
        }
        if let link = state.links.removeValue(forKey: worker) {
            link.cut()
            self.notify(.workerLost(worker))
        }
        answer(.success(()))
        return true
    }

    /// What a worker said as an event; `nil` where it was answered here.
    private func event(_ worker: WorkerName, _ message: WorkerMessage, _ state: inout State) -> Coordinator.Event? {
        switch message {
        case .heartbeat(let holding):
            self.say(.heartbeat, to: worker, &state)
            return .heartbeat(worker, holding: holding)
        case .progress(let lease, let progress):
            if state.started.insert(lease.token).inserted {
                self.notify(.started(Self.name(lease.key, state), by: worker, step: progress.firstStep))
            }
            return .progressed(worker, lease, progress)
        case .checkpoint(let lease, let checkpoint):
            guard self.blobs.contains(checkpoint.digest) else {
                self.say(.uploadRefused(checkpoint.digest, reason: "its blob never came"), to: worker, &state)
                return nil
            }
            return .checkpointed(worker, lease, checkpoint)
        case .report(let lease, let outcome):
            if case .finished(_, let best?) = outcome, state.coordinator.wantsBlobs(of: lease),
                !self.blobs.contains(best.digest)
            {
                self.say(.blobMissing(lease, best.digest), to: worker, &state)
                return nil
            }
            return .reported(worker, lease, outcome)
        case .handBack(let lease): return .handedBack(worker, lease)
        case .draining: return .workerDraining(worker)
        case .hello, .offer, .chunk, .fetch: preconditionFailure("the service answers \(message)")
        }
    }

    private static func name(_ key: ShardKey, _ state: borrowing State) -> String { state.names[key] ?? key.short }

    /// Entries that may wait do so until one comes that may not, but not for long.
    private func record(
        _ directives: [Coordinator.Directive],
        isLast: Bool,
        at now: Instant,
        _ state: inout State
    ) throws {
        for case .record(let entry) in directives { state.lazyEntries.append(entry) }
        guard !state.lazyEntries.isEmpty else { return }
        let deadline = state.lazyDeadline ?? now + Self.lazySeconds
        guard isLast || deadline <= now || state.lazyEntries.contains(where: \.isUrgent) else {
            state.lazyDeadline = deadline
            return
        }
        try self.store.apply(state.lazyEntries, resultTexts: state.resultTexts)
        state.lazyEntries = []
        state.lazyDeadline = nil
    }

    private func shards(granted directives: [Coordinator.Directive]) throws -> [ShardKey: ShardText] {
        let keys = directives.compactMap { if case .grant(let lease, _, _) = $0 { lease.key } else { nil } }
        return keys.isEmpty ? [:] : try self.store.shardTexts(keys)
    }

    private func carryOut(
        _ directive: Coordinator.Directive,
        _ shards: [ShardKey: ShardText],
        _ state: inout State
    ) throws {
        switch directive {
        case .record(let entry): self.tell(entry, &state)
        case .grant(let lease, let worker, let checkpoints):
            guard let shard = shards[lease.key] else {
                preconditionFailure("shard \(lease.key) is queued and not stored")
            }
            let grant = Grant(
                lease: lease,
                name: Self.name(lease.key, state),
                shard: shard,
                checkpointSeconds: state.checkpointSeconds[lease.key] ?? 60,
                last: checkpoints.last,
                checkpointBytes: state.coordinator.needs(of: lease.key)?.checkpointBytes
            )
            self.say(.grant(grant), to: worker, &state)
        case .revoke(let lease, let worker): self.say(.revoke(lease), to: worker, &state)
        case .requestHandBack(let leases, let worker): self.say(.handBack(leases), to: worker, &state)
        case .settle(let lease, let worker): self.say(.settled(lease), to: worker, &state)
        case .acceptCheckpoint(let digest, let lease, let worker):
            self.say(.checkpointAccepted(lease, digest), to: worker, &state)
        case .discard(let digest):
            if try !self.store.refers(to: digest) { self.blobs.remove(digest) }
        case .disconnect(let worker):
            self.deliver(to: worker, &state)
            state.links.removeValue(forKey: worker)?.close()
            self.notify(.workerLost(worker))
        case .compare(let lease, let worker, let result): try self.compare(lease, worker, result, state)
        case .suspended(let worker, let seconds, let reason):
            self.notify(.suspended(worker, seconds: seconds, reason: reason))
        case .stalled(let reason): self.notify(.stalled(reason))
        case .outOfRoom(let reason, let isStalled): self.notify(.outOfRoom(reason, isStalled: isStalled))
        case .sweepEnded(let sweep): self.notify(.sweepEnded(sweep))
        case .ended where !self.dismissesAtEnd: self.notify(.ended)
        case .ended:
            state.isEnded = true
            for worker in state.links.keys { self.say(.dismissed, to: worker, &state) }
            self.notify(.ended)
        case .drained: self.notify(.drained)
        case .wake(let instant): state.wakeAt = instant
        }
    }

    private func say(_ message: CoordinatorMessage, to worker: WorkerName, _ state: inout State) {
        state.outbox[worker, default: []].append(message)
    }

    private func deliver(to worker: WorkerName, _ state: inout State) {
        guard let messages = state.outbox.removeValue(forKey: worker) else { return }
        state.links[worker]?.send(messages)
    }

    private func tell(_ entry: Coordinator.JournalEntry, _ state: inout State) {
        switch entry {
        case .finished(let lease, let worker, let result, _):
            state.started.remove(lease.token)
            self.notify(.finished(Self.name(lease.key, state), by: worker, result))
        case .failed(let key, let failures, let verdict):
            guard let failure = failures.last else { return }
            self.notify(.failed(Self.name(key, state), failure, verdict))
        case .released(let lease): state.started.remove(lease.token)
        case .sweep(let terms) where terms.standing == .cancelled: self.notify(.sweepCancelled(terms.name))
        case .granted, .checkpoints, .retried, .sweep: break
        }
    }

    /// The same shard has run twice: the two results must be the same, bit for bit.
    private func compare(
        _ lease: Lease,
        _ worker: WorkerName,
        _ second: ShardResult,
        _ state: borrowing State
    ) throws {
        // What is only said again says nothing new.
        guard let first = try self.store.result(of: lease.key), first.token != lease.token else { return }
        let difference = first.result.difference(from: second)
        self.notify(.ranTwice(Self.name(lease.key, state), on: [first.worker, worker], difference: difference))
    }

    /// Ends the loop after what is waiting, and waits for it.
    func stop() async {
        self.post(.stop)
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                self.ended.wait()
                self.ended.signal()
                continuation.resume()
            }
        }
    }
}
