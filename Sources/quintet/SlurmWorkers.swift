import CoordinatorShell
import Files
import Foundation
import Launchers
import Synchronization
import Transport
import WorkerShell

/// Workers that are jobs of Slurm: arrays that are submitted as there is work, and end by themselves when there is none.
final class SlurmWorkers: WorkerLauncher {
    private let context: LaunchContext
    private let slurm: SlurmSession
    /// Its value: whether Slurm has ever answered.
    private let serving = Mutex<Task<Bool, Never>?>(nil)

    /// How long workers that were dismissed may take to leave.
    private static let leaveSeconds = 10

    init(_ context: LaunchContext) {
        self.context = context
        self.slurm = SlurmSession(state: context.state, sweep: context.sweep)
    }

    func start(onAllGone: @escaping @Sendable () async -> Void) throws {
        let options = self.context.options
        guard options.slurmWorkerCount > 0 else { return }
        try DurableFile.makeFolder(self.slurm.jobs.scriptsFolder)
        let worker = SlurmJobs.WorkerOptions(
            joinFile: SlurmSession.absolute(self.context.joinFile.path),
            slots: options.slots,
            threads: options.threads,
            labels: options.labels
        )
        let script = Array(self.slurm.jobs.workersScript(worker).utf8)
        try DurableFile.write(script, to: self.slurm.jobs.workersScriptFile, mode: 0o700)
        let task = Task { [self] in
            let hasWorked = await self.serve(SlurmBacklog(workers: options.slurmWorkerCount, slots: options.slots))
            if !Task.isCancelled { await onAllGone() }
            return hasWorked
        }
        self.serving.withLock { $0 = task }
    }

    /// Looks at the queue over and over; ends when the session does, or when no try is of any use.
    ///
    /// - Returns: whether Slurm has ever answered.
    private func serve(_ start: SlurmBacklog) async -> Bool {
        var backlog = start
        var (told, hasWorked) = ("", false)
        while !Task.isCancelled {
            do {
                if try await self.step(&backlog, isFirst: !hasWorked) { return true }
                (told, hasWorked) = ("", true)
            } catch {
                let isPassing = (error as? SlurmError)?.isPassing ?? false
                if "\(error)" != told {
                    self.context.say("\(error)\(hasWorked || isPassing ? "; it is tried again" : "")")
                }
                // Of a request that was refused before any worked, another try will be too.
                if !hasWorked, !isPassing { return false }
                told = "\(error)"
            }
            try? await Task.sleep(for: .seconds(self.context.options.queueSeconds))
        }
        return hasWorked
    }

    /// - Returns: whether nothing is left to do.
    private func step(_ backlog: inout SlurmBacklog, isFirst: Bool) async throws -> Bool {
        guard let shards = await self.context.shardsLeft() else { return false }
        let jobs = self.slurm.jobs
        let tasks = try await self.slurm.commands.tasks(of: jobs)
        let workers = tasks.count { !$0.isCoordinator }
        if isFirst, workers > 0 { self.context.say("jobs of this sweep in the queue already: \(workers)") }
        let decision = backlog.step(tasks, shardsLeft: shards.left, shardsWaiting: shards.waiting) { self.reach($0) }
        switch decision {
        case .nothing: break
        case .submit(let count):
            let arguments = jobs.workersArguments(count, options: self.context.options.launcherOptions)
            let job = try await self.slurm.commands.submit(arguments)
            backlog.submitted(job, count: count)
            self.context.say("job \(job): workers 1 to \(count), whose lines go to \(jobs.scriptsFolder)/\(job)_*.log")
        case .giveUp(let task, let reach):
            let trouble = "\(SlurmBacklog.endsLimit) jobs in a row ended before they"
            let cause =
                reach == .nowhere
                ? "reached the coordinator, so no more are submitted; \(jobs.workerLog(task)) says why, or "
                    + "sacct --jobs=\(task)"
                : "could be given a shard, so no more are submitted; quintet why SHARD says what a shard waits for: "
                    + "what it needs must fit the jobs' memory (--mem), labels (--label) and time"
            self.context.say("\(trouble) \(cause)")
        case .end: return true
        }
        return false
    }

    private func reach(_ task: SlurmTask.ID) -> SlurmBacklog.Reach {
        let folder = WorkerFolder(self.slurm.jobs.workerFolder(task))
        if folder.hasWorked { return .work }
        return (try? Identity(folder: folder.path)) == nil ? .nowhere : .coordinator
    }

    func stop(_ stopping: WorkerStopping) async {
        guard let serving = self.serving.withLock({ $0 }) else { return }
        serving.cancel()
        guard await serving.value, stopping != .left else { return }
        do {
            if stopping == .dismissed { try await self.awaitLeaving() }
            try await self.slurm.commands.cancel(try await self.slurm.workers())
        } catch {
            self.context.say("\(error); see squeue --me for what is left of \(self.slurm.jobs.workersName)")
        }
    }

    /// Those that run leave by themselves; those that wait would start for nothing.
    private func awaitLeaving() async throws {
        for _ in 0..<Self.leaveSeconds {
            let workers = try await self.slurm.workers()
            try await self.slurm.commands.cancel(workers.filter(\.isWaiting))
            guard workers.contains(where: { !$0.isWaiting && !$0.isEnding }) else { return }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
