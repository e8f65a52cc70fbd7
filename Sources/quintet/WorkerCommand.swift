import ArgumentParser
import Coordination
import CoordinatorShell
import Digests
import Fetching
import Files
import Foundation
import Logging
import Sweeps
import Tensors
import Transport
import Wire
import WorkerShell

/// `quintet worker`
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Train shards for a coordinator; come and go at any time."
    )

    /// Where the join line may stand instead of among the arguments.
    static let joinVariable = "QUINTET_JOIN"

    @Option(help: "The line that the coordinator printed; default: the environment's \(Self.joinVariable).")
    var join: String?

    @Option(
        help: ArgumentHelp(
            "A file that holds the line, waited for, and read again where the coordinator is away.",
            valueName: "file"
        )
    )
    var joinFile: String?

    @Option(help: "Shards trained at once.")
    var slots = 1

    @Option(help: "Threads of each shard; by default all cores are shared out.")
    var threads: Int?

    @Option(help: ArgumentHelp("Memory for all its shards; by default what it may use here.", valueName: "MiB"))
    var memory: Int?

    @Option(
        name: .customLong("label"),
        help: ArgumentHelp("Something that sweeps may ask for; may be given several times.", valueName: "name")
    )
    var labels: [String] = []

    @Option(
        help: ArgumentHelp(
            "Seconds until this machine is taken away: everything is handed back before. Default: SLURM_JOB_END_TIME.",
            valueName: "seconds"
        )
    )
    var deadline: Int?

    @Option(help: ArgumentHelp("Leave after so long without work; by default stay.", valueName: "seconds"))
    var idle: Int?

    @Option(help: "Where backbones and data are kept; default: QUINTET_CACHE or ~/.cache/quintet.")
    var cache: String?

    @Option(help: "Where this worker keeps its key and its work; by default a folder of its own in the state folder.")
    var folder: String?

    @Flag(
        help: ArgumentHelp(
            "Take over what ended workers could not hand over, whose folders lie beside its own.",
            visibility: .hidden
        )
    )
    var inherit = false

    @Flag(help: ArgumentHelp("End at once when standard input ends.", visibility: .hidden))
    var lifeline = false

    func validate() throws {
        guard (1...Hello.slotsLimit).contains(self.slots) else {
            throw ValidationError("--slots is \(self.slots); give 1 to \(Hello.slotsLimit).")
        }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); give 1 to 1024.")
        }
        if let memory, !(1..<1 << 40).contains(memory) {
            throw ValidationError("--memory is \(memory); give the MiB that this worker may use.")
        }
        if let deadline, !Hello.secondsLeftRange.contains(deadline) {
            throw ValidationError("--deadline is \(deadline); give 0 to \(Hello.secondsLeftRange.upperBound) seconds.")
        }
        if let idle, !Hello.secondsLeftRange.contains(idle) {
            throw ValidationError("--idle is \(idle); give 0 to \(Hello.secondsLeftRange.upperBound) seconds.")
        }
        if self.join != nil, self.joinFile != nil {
            throw ValidationError("--join and --join-file are both given; give one of them.")
        }
        guard self.labels.count <= Hello.labelsLimit else {
            throw ValidationError("--label is given \(self.labels.count) times; give at most \(Hello.labelsLimit).")
        }
    }

    /// Slurm gives the end of its job in seconds since 1970.
    private var secondsLeft: Int? {
        let end = ProcessInfo.processInfo.environment["SLURM_JOB_END_TIME"].flatMap(Int64.init)
        let left = end.map { Int(max(0, max(0, $0) - currentSeconds())) }
        return self.deadline ?? left.map { min($0, Hello.secondsLeftRange.upperBound) }
    }

    func run() async throws {
        if self.lifeline { Lifeline.watch() }
        let source = try self.source()
        // Trainers need not know it.
        unsetenv(Self.joinVariable)
        let line = try await Self.line(of: source)
        try Self.requireTime(self.secondsLeft)
        let (folder, lock) = try self.lockFolder(line)
        defer { withExtendedLifetime(lock) {} }
        if self.inherit { folder.inherit() }
        let identity = try await Self.identity(source, folder.path)
        var logger = Logger(label: "worker") { StreamLogHandler.standardError(label: $0) }
        // A session sees for itself when its own workers come and go.
        logger.logLevel = self.lifeline ? .notice : .info
        let resources = MachineResources.current
        var limits = Worker.Limits()
        limits.idleSeconds = self.idle
        // Whoever started it holds the connection; a coordinator that is away for longer has given its shards away.
        if self.lifeline { limits.graceSeconds = Self.lifelineGraceSeconds }
        if case .file = source { limits.firstConnectionSeconds = Self.patienceSeconds }
        let options = WorkerOptions(
            join: source,
            folder: folder,
            cache: FolderCache(self.cache ?? Cache().folder.path),
            slots: self.slots,
            threads: self.threads ?? max(1, resources.cores / self.slots),
            trainer: [Executable.path, "train", "--lifeline"],
            version: Quintet.version,
            memoryBytes: self.memory.map { $0 << 20 } ?? resources.memoryBytes,
            labels: Set(self.labels),
            kernelClass: BLAS.kernelClass,
            kernels: BLAS.possibleKernels,
            endsAt: self.secondsLeft.map { ContinuousClock.now + .seconds($0) },
            job: ClusterJob.name(environment: ProcessInfo.processInfo.environment),
            limits: limits
        )
        let service = WorkerService(options, identity: identity, logger: logger)
        let signals = InterruptSignals { _ in service.leave() }
        if !self.lifeline {
            Self.tell("\(identity.name) works for \(line.host):\(line.port); Ctrl-C hands back and leaves")
        }
        let end = await service.run()
        signals.cancel()
        if !self.lifeline { Self.tell(end) }
        // A job that was told to leave is not done: its cluster manager may start it elsewhere.
        if !self.lifeline, case .departed(.asked, _) = end, let code = signals.exitCode { throw ExitCode(code) }
        try Self.finish(end, line)
    }

    /// At once, also where the output is a file.
    private static func tell(_ text: String) { Terminal.standardOutput.write("\(text)\n") }

    /// Within the time that handing back may take nothing is begun.
    private static func requireTime(_ secondsLeft: Int?) throws {
        let needed = Worker.Limits().leaveSeconds
        guard let secondsLeft, secondsLeft <= needed else { return }
        throw SessionError(
            "this machine is taken away in \(secondsLeft) s, and handing back may take \(needed) s; give the job more time"
        )
    }

    private static func tell(_ end: WorkerService.End) {
        switch end {
        case .departed(.dismissed, _): Self.tell("the sweep is finished")
        case .departed(.idle(let seconds), _): Self.tell("nothing to do for \(seconds) s")
        default: break
        }
    }

    private static func finish(_ end: WorkerService.End, _ line: JoinLine) throws {
        switch end {
        case .departed(.asked, _), .departed(.dismissed, _), .departed(.idle, _): return
        case .departed(.hurried, _):
            throw SessionError("left without handing everything back; start the worker again to offer what is finished")
        case .departed(.unreachable(let seconds), let error):
            throw SessionError(
                "no coordinator at \(line.host):\(line.port) for \(seconds) s: \(error ?? "no answer"); "
                    + "what is finished is kept and offered when this worker is started again"
            )
        case .refused(let refusal): throw refusal
        }
    }

    /// The given folder, or the first of this coordinator's that no other worker of this machine uses.
    private func lockFolder(_ line: JoinLine) throws -> (WorkerFolder, FolderLock) {
        if let folder {
            guard let lock = try WorkerFolder(folder).lock() else {
                throw SessionError("the folder \(folder) is used by another worker; stop it, or give another --folder")
            }
            return (WorkerFolder(folder), lock)
        }
        let state = StateFolder.chosen(nil, environment: ProcessInfo.processInfo.environment)
        for index in 0..<Hello.slotsLimit {
            let folder = WorkerFolder("\(state.path)/joined/\(line.authorityKeyDigest.short)-\(index)")
            if let lock = try folder.lock() { return (folder, lock) }
        }
        throw SessionError("all \(Hello.slotsLimit) worker folders in \(state.path)/joined are in use; give --folder")
    }

    private func source() throws -> JoinSource {
        if let joinFile { return .file(JoinFile(joinFile)) }
        guard let text = self.join ?? ProcessInfo.processInfo.environment[Self.joinVariable] else {
            throw ValidationError("--join is missing; copy the line that the coordinator printed, or give --join-file.")
        }
        return .line(try JoinLine(parsing: text))
    }

    private static let lifelineGraceSeconds = 120

    /// How long a worker that joins by a file waits for a coordinator: it may be started before it.
    private static let patienceSeconds = 600

    /// The source's line, waited for where it is a file that is not there yet.
    private static func line(of source: JoinSource) async throws -> JoinLine {
        guard case .file(let file) = source else { return try source.line() }
        for second in 0..<Self.patienceSeconds {
            if let line = try file.read() { return line }
            if second == 0 { Self.say("waiting for \(file.path), which the coordinator writes when it starts") }
            try await Task.sleep(for: .seconds(1))
        }
        throw SessionError("there is no \(file.path) after \(Self.patienceSeconds) s; is the coordinator running?")
    }

    private static func say(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }

    /// The identity that this machine has for this coordinator, or one that it asks for with the line's token. By a
    /// file, it asks again while nobody answers.
    private static func identity(_ source: JoinSource, _ folder: String) async throws -> Identity {
        let deadline = ContinuousClock.now + .seconds(Self.patienceSeconds)
        while true {
            do {
                return try await Self.identity(try source.line(), folder)
            } catch let error as ConnectionError {
                guard case .file = source, ContinuousClock.now < deadline else { throw error }
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    private static func identity(_ line: JoinLine, _ folder: String) async throws -> Identity {
        if let identity = try Identity(folder: folder),
            identity.isOfCluster(authorityKeyDigest: line.authorityKeyDigest)
        {
            if identity.certificate.validSeconds.contains(currentSeconds()) { return identity }
            do {
                let renewed = try await Enrolment.renew(identity, host: line.host, port: line.port)
                try renewed.save(folder: folder)
                return renewed
            } catch is EnrolmentError {
                // The coordinator knows it no more: it joins anew, which takes a line that still lets somebody in.
            }
        }
        return try await Enrolment.join(
            line,
            folder: folder,
            onWaiting: { Self.say("\($0) waits for approval; on the coordinator's machine: quintet approve \($0)") }
        )
    }
}
