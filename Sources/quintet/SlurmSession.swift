import CoordinatorShell
import Files
import Foundation
import Launchers

/// A sweep's jobs in Slurm, of which one may be its coordinator.
struct SlurmSession {
    let jobs: SlurmJobs
    let commands = SlurmCommands(environment: ProcessInfo.processInfo.environment)
    private let state: StateFolder

    init(state: StateFolder, sweep: String) {
        self.state = state
        self.jobs = SlurmJobs(
            sweep: sweep,
            // Jobs start elsewhere.
            stateFolder: Self.absolute(state.path),
            program: Executable.path
        )
    }

    /// A path that means the same in every folder.
    static func absolute(_ path: String) -> String {
        let whole = URL(filePath: path).standardizedFileURL.path(percentEncoded: false)
        return whole.count > 1 && whole.hasSuffix("/") ? String(whole.dropLast()) : whole
    }

    /// `nil` where the sweep's state folder has never had jobs.
    init?(of sweep: String, in state: StateFolder) {
        self.init(state: state, sweep: sweep)
        guard FileManager.default.fileExists(atPath: self.jobs.scriptsFolder) else { return nil }
    }

    /// - Throws: ``SessionError`` where the sweep's coordinator is a job already; `SlurmError`.
    func requireNoCoordinator() async throws {
        guard let job = try await self.commands.tasks(of: self.jobs).first(where: \.isCoordinator) else { return }
        throw SessionError(
            "job \(job.id) (\(job.state.lowercased())) is the coordinator of \(self.jobs.sweep) already; "
                + "quintet cancel \(self.jobs.sweep)\(self.state.argument) ends it"
        )
    }

    /// Submits the command that this process was started with as a job.
    ///
    /// - Parameter options: for `sbatch`.
    /// - Throws: `SlurmError`; `StorageError`.
    func submit(options: [String]) async throws {
        try DurableFile.makeFolder(self.jobs.scriptsFolder)
        let words = CommandLine.arguments.dropFirst().filter { $0 != "--detach" }
        let arguments = words.prefix(1) + ["--as-job"] + words.dropFirst()
        let script = self.jobs.coordinatorScript(
            Array(arguments),
            from: FileManager.default.currentDirectoryPath
        )
        try DurableFile.write(Array(script.utf8), to: self.jobs.coordinatorScriptFile, mode: 0o700)
        let job = try await self.commands.submit(self.jobs.coordinatorArguments(options: options))
        print("job \(job) coordinates \(self.jobs.sweep); its lines go to \(self.jobs.coordinatorLog(job))")
        print("quintet status --follow \(self.jobs.sweep)\(self.state.argument) shows it at work")
    }

    /// - Throws: `SlurmError`.
    func workers() async throws -> [SlurmTask] {
        try await self.commands.tasks(of: self.jobs).filter { !$0.isCoordinator }
    }

    /// Ends all jobs of the sweep, its coordinator's first: it would submit more.
    ///
    /// - Returns: how many.
    /// - Throws: `SlurmError`.
    func cancel() async throws -> Int {
        let tasks = try await self.commands.tasks(of: self.jobs)
        try await self.commands.cancel(tasks.filter(\.isCoordinator))
        try await self.commands.cancel(try await self.workers())
        return tasks.count
    }

    /// Whether a job of the queue is, or will be, the coordinator.
    var isComing: Bool {
        get async { (try? await self.commands.tasks(of: self.jobs))?.contains(where: \.isCoordinator) ?? false }
    }
}
