import CoordinatorShell
import Digests
import Foundation
import Launchers
import Sweeps
import Synchronization
import Transport
import WorkerShell

/// Workers on other machines, started through `ssh`: one a host, started again when it ends before the sweep does.
///
/// A worker's standing input is the connection: when that ends, so does the worker, and what it has not handed back lies
/// on its disk until it is started again.
final class SSHWorkers: WorkerLauncher {
    private struct State {
        var running: [ObjectIdentifier: ProcessRun] = [:]
        var isStopping = false
    }

    private let context: LaunchContext
    private let hosts: HostsFile
    private let state = Mutex(State())
    private let serving = Mutex<Task<Void, Never>?>(nil)

    private static let longestPauseSeconds = 60
    /// How long workers that were dismissed may take to leave.
    private static let leaveSeconds = 10
    private static let lineBytesLimit = 2000

    init(_ context: LaunchContext, hosts: HostsFile) {
        self.context = context
        self.hosts = hosts
    }

    func start(onAllGone: @escaping @Sendable () async -> Void) throws {
        let cluster = try JoinSource.file(self.context.joinFile).line().authorityKeyDigest.short
        let program = SSHProgram(path: Executable.path, digest: try SHA256.hash(file: Executable.path))
        let task = Task { [self] in
            await withDiscardingTaskGroup { group in
                for host in self.hosts.hosts { group.addTask { await self.serve(host, program, cluster) } }
            }
            await onAllGone()
        }
        self.serving.withLock { $0 = task }
    }

    /// Keeps a worker at work on the host; ends when the session does, or the worker has left by itself.
    private func serve(_ host: HostsFile.Host, _ program: SSHProgram, _ cluster: String) async {
        let session = SSHSession(
            host: host,
            options: self.hosts.options,
            program: program,
            joinFile: self.context.joinFile.path,
            cluster: cluster,
            slots: host.slots ?? self.context.options.slots,
            threads: host.threads ?? self.context.options.threads
        )
        var (pause, told) = (1, "")
        while !self.state.withLock({ $0.isStopping }) {
            let started = ContinuousClock.now
            let trouble: String
            do {
                try await self.prepare(session)
                let end = try await self.run(session.work, tellsLines: host.name)
                if end.exit == .code(0) { return }
                trouble = end.exit == .code(Self.connectionCode) ? end.lastLine : "its worker ended with \(end.exit)"
            } catch {
                trouble = "\(error)"
            }
            if self.state.withLock({ $0.isStopping }) { return }
            if ContinuousClock.now - started > .seconds(Self.longestPauseSeconds) { (pause, told) = (1, "") }
            if trouble != told { self.context.say("\(host.name) is not at work: \(trouble); it is tried again") }
            told = trouble
            await self.sleep(seconds: pause)
            pause = min(2 * pause, Self.longestPauseSeconds)
        }
    }

    /// Not for longer than the session lasts.
    private func sleep(seconds: Int) async {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline, !self.state.withLock({ $0.isStopping }) {
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// What `ssh` ends with where the connection is to blame.
    private static let connectionCode: Int32 = 255

    /// Brings the join file to the host, and the program where it is missing.
    private func prepare(_ session: SSHSession) async throws {
        let probe = try await self.run(session.probe)
        guard probe.exit == .code(0) else { throw SessionError(probe.lastLine) }
        switch probe.output.last {
        case "ready": return
        case "missing":
            self.context.say("\(session.host.name) gets the program")
            let copy = try await self.run(session.copy)
            guard copy.exit == .code(0) else { throw SessionError(copy.lastLine) }
        default: throw SessionError(probe.output.last ?? "it says nothing")
        }
    }

    private struct End {
        var exit: ProcessExit
        var output: [String]
        var errors: [String]
        /// What it has to say for itself.
        var lastLine: String { self.errors.last ?? self.output.last ?? "\(self.exit)" }
    }

    /// Runs a command to its end.
    ///
    /// - Parameter name: what its lines are told under; without it they are kept alone.
    private func run(_ command: [String], tellsLines name: String? = nil) async throws -> End {
        let lines = Mutex<(output: [String], errors: [String])>(([], []))
        let (exits, exit) = AsyncStream<ProcessExit>.makeStream()
        let say = self.context.say
        let process = try ProcessRun(
            program: command[0],
            arguments: Array(command.dropFirst()),
            environment: ProcessInfo.processInfo.environment,
            lineBytesLimit: Self.lineBytesLimit
        ) { line in
            lines.withLock { line.isError ? $0.errors.keep(line.text) : $0.output.keep(line.text) }
            if let name, line.isError { say("\(name): \(line.text)") }
        } onExit: {
            exit.yield($0)
        }
        let isWanted = self.state.withLock { state in
            if !state.isStopping { state.running[ObjectIdentifier(process)] = process }
            return !state.isStopping
        }
        if !isWanted { process.signal(SIGKILL) }
        process.start()
        var iterator = exits.makeAsyncIterator()
        let code = await iterator.next() ?? .signal(SIGKILL)
        self.state.withLock { $0.running[ObjectIdentifier(process)] = nil }
        let said = lines.withLock { $0 }
        return End(exit: code, output: said.output, errors: said.errors)
    }

    func stop(_ stopping: WorkerStopping) async {
        self.state.withLock { $0.isStopping = true }
        // Those that were told to leave end by themselves; the others when their connection does: by then all that they
        // had is handed back.
        let patience = Task { [self] in
            if stopping == .dismissed { try await Task.sleep(for: .seconds(Self.leaveSeconds)) }
            for process in self.state.withLock({ Array($0.running.values) }) { process.signal(SIGKILL) }
        }
        await self.serving.withLock { $0 }?.value
        patience.cancel()
    }
}

extension [String] {
    /// Only the end of what a program writes says why it ended.
    fileprivate mutating func keep(_ line: String) {
        if self.count == 20 { self.removeFirst() }
        self.append(line)
    }
}
