import ArgumentParser
import Coordination
import CoordinatorShell
import Digests
import Fetching
import Files
import Foundation
import Logging
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

    @Option(help: "Shards trained at once.")
    var slots = 1

    @Option(help: "Threads of each shard; by default all cores are shared out.")
    var threads: Int?

    @Option(help: ArgumentHelp("Memory for all its shards; by default the machine's.", valueName: "MiB"))
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

    @Option(help: "Where backbones and data are kept; default: QUINTET_CACHE or ~/.cache/quintet.")
    var cache: String?

    @Option(help: "Where this worker keeps its key and its work; by default a folder of its own in the state folder.")
    var folder: String?

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
        guard let text = self.join ?? ProcessInfo.processInfo.environment[Self.joinVariable] else {
            throw ValidationError("--join is missing; copy the line that the coordinator printed.")
        }
        let line = try JoinLine(parsing: text)
        // Trainers need not know it.
        unsetenv(Self.joinVariable)
        let (folder, lock) = try self.lockFolder(line)
        defer { withExtendedLifetime(lock) {} }
        let identity = try await Self.identity(line, folder.path)
        var logger = Logger(label: "worker") { StreamLogHandler.standardError(label: $0) }
        // A session sees for itself when its own workers come and go.
        logger.logLevel = self.lifeline ? .notice : .info
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let options = WorkerOptions(
            joinLine: line,
            folder: folder,
            cache: FolderCache(self.cache ?? Cache().folder.path),
            slots: self.slots,
            threads: self.threads ?? max(1, cores / self.slots),
            trainer: [Executable.path, "train", "--lifeline"],
            version: Quintet.version,
            memoryBytes: self.memory.map { $0 << 20 } ?? Int(clamping: ProcessInfo.processInfo.physicalMemory),
            labels: Set(self.labels),
            kernelClass: BLAS.kernelClass,
            kernels: BLAS.possibleKernels,
            endsAt: self.secondsLeft.map { ContinuousClock.now + .seconds($0) }
        )
        let service = WorkerService(options, identity: identity, logger: logger)
        let signals = InterruptSignals { _ in service.leave() }
        if !self.lifeline {
            print("\(identity.name) works for \(line.host):\(line.port); Ctrl-C hands back and leaves")
        }
        let end = await service.run()
        signals.cancel()
        if !self.lifeline, case .departed(.dismissed, _) = end { print("the sweep is finished") }
        try Self.finish(end, line)
    }

    private static func finish(_ end: WorkerService.End, _ line: JoinLine) throws {
        switch end {
        case .departed(.asked, _), .departed(.dismissed, _): return
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

    /// The identity that this machine has for this coordinator, or one that it asks for with the line's token.
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
            onWaiting: { name in
                let text = "\(name) waits for approval; on the coordinator's machine: quintet approve \(name)\n"
                FileHandle.standardError.write(Data(text.utf8))
            }
        )
    }
}
