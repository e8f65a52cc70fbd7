internal import Foundation
internal import Synchronization
internal import WorkerShell

/// Runs Slurm's own commands.
public struct SlurmCommands: Sendable {
    private let environment: [String: String]
    private let secondsLimit: Double

    private static let lineBytesLimit = 16 << 10
    private static let linesLimit = 200_000
    /// How many jobs one `scancel` ends.
    private static let jobsLimit = 500

    /// - Parameters:
    ///   - environment: this process's. What the job that this process runs in was given is no other job's business, and
    ///     `sbatch` would hand it on.
    ///   - secondsLimit: how long a command may take.
    public init(environment: [String: String], secondsLimit: Double = 60) {
        self.environment = environment.filter { name, _ in !name.hasPrefix("SLURM_") || name == "SLURM_CONF" }
        self.secondsLimit = secondsLimit
    }

    /// - Returns: the job's number.
    /// - Throws: ``SlurmError`` with what `sbatch` says.
    public func submit(_ arguments: [String]) async throws(SlurmError) -> Int {
        try SlurmJobs.jobNumber(in: try await self.run("sbatch", arguments))
    }

    /// The sweep's jobs in the queue: those that wait, run, or are about to end.
    public func tasks(of jobs: SlurmJobs) async throws(SlurmError) -> [SlurmTask] {
        try jobs.tasks(in: try await self.run("squeue", jobs.queueArguments(user: getuid())))
    }

    /// Ends jobs; those that have ended already are no mistake.
    public func cancel(_ tasks: [SlurmTask]) async throws(SlurmError) {
        var left = ArraySlice(tasks.map(\.id).sorted().map(\.description))
        while !left.isEmpty {
            _ = try await self.run("scancel", ["--quiet"] + left.prefix(Self.jobsLimit))
            left = left.dropFirst(Self.jobsLimit)
        }
    }

    private struct Answer {
        var lines: [String] = []
        var errors: [String] = []
    }

    private func run(_ program: String, _ arguments: [String]) async throws(SlurmError) -> [String] {
        let answer = Mutex(Answer())
        let ends = AsyncStream.makeStream(of: ProcessExit.self)
        let process: ProcessRun
        do {
            process = try ProcessRun(
                program: program,
                arguments: arguments,
                environment: self.environment,
                lineBytesLimit: Self.lineBytesLimit
            ) { line in
                answer.withLock {
                    guard $0.lines.count + $0.errors.count < Self.linesLimit else { return }
                    if line.isError { $0.errors.append(line.text) } else { $0.lines.append(line.text) }
                }
            } onExit: { exit in
                ends.continuation.yield(exit)
                ends.continuation.finish()
            }
        } catch {
            throw SlurmError("\(error); run this where Slurm's commands are, such as a login node")
        }
        let timer = DispatchSource.makeTimerSource()
        timer.setEventHandler { process.signal(SIGKILL) }
        timer.schedule(deadline: .now() + self.secondsLimit)
        timer.resume()
        defer { timer.cancel() }
        process.start()
        // Not cut short where the task is cancelled: half a submission would be worse than a short wait.
        let exit = await Task { await ends.stream.first { _ in true } }.value
        let (lines, errors) = answer.withLock { ($0.lines, $0.errors) }
        switch exit {
        case .code(0): return lines
        case .signal(SIGKILL): throw SlurmError("\(program) gave no answer in \(Int(self.secondsLimit)) s")
        case let exit:
            throw SlurmError("\(program) ended with \(exit.map(\.description) ?? "nothing"): \(Self.reason(errors))")
        }
    }

    /// The first line says what is wrong or the last what came of it, as the command will have it.
    private static func reason(_ errors: [String]) -> String {
        let lines = errors.filter { !$0.isEmpty }
        guard let first = lines.first, let last = lines.last else { return "it printed nothing" }
        return lines.count == 1 ? first : "\(first); \(last)"
    }
}
