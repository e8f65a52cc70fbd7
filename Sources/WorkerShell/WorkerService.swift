public import Coordination
internal import Digests
public import Files
internal import Foundation
public import Logging
internal import Sweeps
internal import Synchronization
public import Transport
internal import Wire

/// What a worker is told at its start.
public struct WorkerOptions: Sendable {
    public var join: JoinSource
    /// Locked by the caller.
    public var folder: WorkerFolder
    public var cache: FolderCache
    public var slots: Int
    /// Of each trainer.
    public var threads: Int
    /// The trainer: a program and what comes before `--shard`.
    public var trainer: [String]
    /// Quintet's version, for people.
    public var version: String
    /// For all its trainers together.
    public var memoryBytes: Int
    /// What sweeps may ask for by name.
    public var labels: Set<String>
    /// What decides bits on this machine.
    public var kernelClass: String?
    /// All of OpenBLAS's kernels that it can run.
    public var kernels: Set<String>
    /// When this machine is taken away: the worker has handed everything back by then.
    public var endsAt: ContinuousClock.Instant?
    /// What a cluster manager calls the job that this worker is.
    public var job: String?
    public var limits: Worker.Limits

    public init(
        join: JoinSource,
        folder: WorkerFolder,
        cache: FolderCache,
        slots: Int,
        threads: Int,
        trainer: [String],
        version: String,
        memoryBytes: Int = MachineResources.current.memoryBytes,
        labels: Set<String> = [],
        kernelClass: String? = nil,
        kernels: Set<String> = [],
        endsAt: ContinuousClock.Instant? = nil,
        job: String? = nil,
        limits: Worker.Limits = Worker.Limits()
    ) {
        precondition(!trainer.isEmpty, "no trainer")
        self.join = join
        self.folder = folder
        self.cache = cache
        self.slots = slots
        self.threads = threads
        self.trainer = trainer
        self.version = version
        self.memoryBytes = memoryBytes
        self.labels = labels
        self.kernelClass = kernelClass
        self.kernels = kernels
        self.endsAt = endsAt
        self.job = job
        self.limits = limits
    }
}

/// The agent on a machine: carries out what the pure worker decides, on a thread of its own.
public final class WorkerService: Sendable {
    enum Input: Sendable {
        case event(Worker.Event)
        case linked(CoordinatorLink)
        case unlinked(ObjectIdentifier?, reason: String)
        case refused(WorkerRefused)
        case said(CoordinatorMessage, ObjectIdentifier)
        case prepared(LeaseToken, TrainerOrder)
        case trainer(LeaseToken, TrainerEvent)
    }

    /// How the worker ended.
    public enum End: Hashable, Sendable {
        case departed(Worker.Departure, lastError: String?)
        case refused(WorkerRefused)
    }

    /// What only the loop's thread touches.
    struct State {
        var worker: Worker
        var link: CoordinatorLink?
        var grants: [LeaseToken: Grant] = [:]
        var orders: [LeaseToken: TrainerOrder] = [:]
        var trainers: [LeaseToken: TrainerRun] = [:]
        var progress: [LeaseToken: AttemptProgress] = [:]
        /// When the coordinator was last told of it.
        var toldAt: [LeaseToken: Instant] = [:]
        var wakeAt: Instant?
        var lastError: String?
        var end: End?
    }

    let options: WorkerOptions
    let identity: IdentityKeeper
    let logger: Logger
    let mailbox = Mailbox<Input>()
    let preparations: Preparations
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now

    /// - Parameter identity: a worker's, from the authority of the join line.
    public init(_ options: WorkerOptions, identity: Identity, logger: Logger) {
        self.options = options
        self.identity = IdentityKeeper(identity, options: options, logger: logger)
        self.logger = logger
        self.preparations = Preparations(options: options)
    }

    /// Works until it is asked to leave, dismissed, refused, or without a coordinator for too long.
    public func run() async -> End {
        let (end, link) = await withCheckedContinuation { continuation in
            let thread = Thread { [self] in continuation.resume(returning: self.loop()) }
            thread.name = "worker"
            thread.start()
        }
        await link?.farewell()
        return end
    }

    /// Hands everything back and leaves; a second time: at once. From any thread.
    public func leave() { self.mailbox.post(.event(.leaveRequested)) }

    var now: Instant { Instant(milliseconds: Int64((self.clock.now - self.origin) / .milliseconds(1))) }

    private func loop() -> (End, CoordinatorLink?) {
        let endsAt = self.options.endsAt.map { Instant(milliseconds: Int64(($0 - self.origin) / .milliseconds(1))) }
        var state = State(worker: Worker(slots: self.options.slots, endsAt: endsAt, limits: self.options.limits))
        let preparing = Task { await self.preparations.run(reportingTo: self.mailbox) }
        let renewing = Task { await self.identity.run() }
        self.handle(.started(spooled: self.options.folder.recover()), &state)
        var health = HealthFile(self.options.folder)
        defer { health.remove() }
        while state.end == nil {
            health.note(isConnected: state.worker.isConnected, at: self.now.milliseconds)
            let milliseconds = state.wakeAt.map { Int($0.milliseconds - self.now.milliseconds) } ?? .max
            let inputs = self.mailbox.take(withinMilliseconds: min(milliseconds, HealthFile.intervalMilliseconds))
            for input in inputs where state.end == nil { self.take(input, &state) }
            if let wakeAt = state.wakeAt, wakeAt <= self.now, state.end == nil {
                state.wakeAt = nil
                self.handle(.timeAdvanced, &state)
            }
        }
        _ = self.mailbox.close()
        preparing.cancel()
        renewing.cancel()
        for trainer in state.trainers.values { trainer.signal(SIGKILL) }
        guard let end = state.end else { preconditionFailure("a worker ended without a reason") }
        return (end, state.link)
    }

    private func take(_ input: Input, _ state: inout State) {
        switch input {
        case .event(let event): self.handle(event, &state)
        case .linked(let link):
            state.link = link
            state.lastError = nil
            self.preparations.use(link)
            self.handle(.connected, &state)
        case .unlinked(let id, let reason):
            guard state.link?.id == id else { return }
            state.link = nil
            state.lastError = reason
            self.preparations.use(nil)
            self.logger.info("no connection to the coordinator: \(reason)")
            self.handle(.disconnected(jitter: Double.random(in: 0..<1)), &state)
        case .refused(let refusal): state.end = .refused(refusal)
        case .said(let message, let id):
            guard state.link?.id == id else { return }
            self.hear(message, &state)
        case .prepared(let token, let order):
            // What was made ready for an attempt that is over by now is of no use.
            guard state.grants[token] != nil else { return self.options.folder.attempt(token).remove() }
            state.orders[token] = order
            self.handle(.prepared(token), &state)
        case .trainer(let token, let event): self.note(token, event, &state)
        }
    }

    private func hear(_ message: CoordinatorMessage, _ state: inout State) {
        switch message {
        case .grant(let grant):
            state.grants[grant.lease.token] = grant
            do { try self.options.folder.noteWork() } catch { self.logger.warning("\(error)") }
            self.handle(.granted(grant.lease), &state)
        case .revoke(let lease): self.handle(.revoked(lease.token), &state)
        case .handBack(let leases): self.handle(.handBackRequested(leases.map(\.token)), &state)
        case .settled(let lease): self.handle(.settled(lease.token), &state)
        case .blobMissing(let lease, let digest): self.handle(.blobMissing(lease.token, digest), &state)
        case .dismissed: self.handle(.dismissed, &state)
        case .heartbeat, .welcome, .refused, .checkpointAccepted, .sendFrom, .stored, .uploadRefused, .chunk,
            .downloadRefused:
            break
        }
    }

    private func note(_ token: LeaseToken, _ event: TrainerEvent, _ state: inout State) {
        switch event {
        case .started(let started):
            if let skipped = started.skippedTensors {
                self.logger.info("not used of the backbone's file: \(skipped.joined(separator: ", "))")
            }
            if let initialised = started.initialisedTensors {
                self.logger.info(
                    "not in the backbone's file, started from the seed: \(initialised.joined(separator: ", "))"
                )
            }
            state.progress[token] = AttemptProgress(
                firstStep: started.step,
                step: started.step,
                steps: started.steps,
                trainableParameters: started.trainableParameters,
                kernelClass: started.kernelClass
            )
            self.sendProgress(token, &state)
        case .step(let step):
            state.progress[token]?.step = step.step
            state.progress[token]?.steps = step.steps
            state.progress[token]?.loss = step.loss
            state.progress[token]?.samplesPerSecond = step.samplesPerSecond
            let toldAt = state.toldAt[token]?.milliseconds ?? .min / 2
            if self.now.milliseconds - toldAt >= Self.progressMilliseconds { self.sendProgress(token, &state) }
        case .checkpointed(let checkpoint):
            do {
                try self.options.folder.attempt(token).putAside(checkpoint)
                self.handle(.checkpointed(token, checkpoint), &state)
            } catch {
                self.logger.error("a checkpoint is not kept: \(error)")
            }
        case .evaluated, .finished, .failed: break
        }
    }

    /// A person sees no more, and small models take hundreds of steps a second.
    private static let progressMilliseconds: Int64 = 200

    private func sendProgress(_ token: LeaseToken, _ state: inout State) {
        guard let link = state.link, let grant = state.grants[token], let progress = state.progress[token],
            progress.loss?.isFinite ?? true, progress.samplesPerSecond?.isFinite ?? true
        else { return }
        state.toldAt[token] = self.now
        link.send(.progress(grant.lease, progress))
    }

    func handle(_ event: Worker.Event, _ state: inout State) {
        for directive in state.worker.handle(event, at: self.now) { self.carryOut(directive, &state) }
    }
}
