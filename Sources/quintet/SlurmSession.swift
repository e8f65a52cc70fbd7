import ArgumentParser
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

    /// Submits what this process was started for as a job: a `quintet resume` of the stored sweep, which is the same
    /// whenever the job starts, and however often.
    ///
    /// - Parameters:
    ///   - grid: of `quintet launch`.
    ///   - options: for `sbatch`.
    /// - Throws: ``SessionError`` for arguments that cannot be told apart; `SlurmError`; `StorageError`.
    func submit(grid: String? = nil, options: [String]) async throws {
        try DurableFile.makeFolder(self.jobs.scriptsFolder)
        let given = Array(CommandLine.arguments.dropFirst(2))
        guard let arguments = Self.jobArguments(given, grid: grid, sweep: self.jobs.sweep) else {
            throw SessionError("cannot tell the grid among \(given); give it first, right after launch")
        }
        let script = self.jobs.coordinatorScript(arguments, from: FileManager.default.currentDirectoryPath)
        try DurableFile.write(Array(script.utf8), to: self.jobs.coordinatorScriptFile, mode: 0o700)
        let job = try await self.commands.submit(self.jobs.coordinatorArguments(options: options))
        print("job \(job) coordinates \(self.jobs.sweep); its lines go to \(self.jobs.coordinatorLog(job))")
        print("quintet status --follow \(self.jobs.sweep)\(self.state.argument) shows it at work")
    }

    /// The coordinator job's command: `resume` with the sweep's name in the grid's place, or where there is none.
    ///
    /// - Parameters:
    ///   - given: the arguments after `launch` or `resume`.
    ///   - grid: `nil` for `resume`.
    /// - Returns: `nil` where no reading of them has the sweep's name as the sweep.
    static func jobArguments(_ given: [String], grid: String?, sweep: String) -> [String]? {
        let words = given.filter { $0 != "--detach" }
        func command(_ rest: [String]) -> [String]? {
            let arguments = ["--as-job"] + rest
            return (try? Resume.parse(arguments))?.sweep == sweep ? ["resume"] + arguments : nil
        }
        guard let grid else { return command(words) ?? command([sweep] + words) }
        // An option's value may read as the grid does: then the name is no sweep there.
        return words.indices.lazy.filter { words[$0] == grid }.compactMap { index in
            command(words[..<index] + [sweep] + words[(index + 1)...])
        }.first
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
