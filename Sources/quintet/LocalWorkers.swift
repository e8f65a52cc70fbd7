import CoordinatorShell
import Files
import Foundation
import Synchronization
import Transport
import Wire
import WorkerShell

/// The worker processes that a session starts on its own machine, and starts again when they die.
final class LocalWorkers: WorkerLauncher {
    private struct State {
        var running: [String: ProcessRun] = [:]
        /// Ends in a row that came soon after the start.
        var quickEnds: [String: Int] = [:]
        /// Those that are about to be started again.
        var restarting = 0
        var isStopping = false
        var onAllGone: (@Sendable () async -> Void)?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let context: LaunchContext
    private let authority: CertificateAuthority
    private let joinLine: JoinLine
    private let state = Mutex(State())

    private static let namePrefix = "local-"
    private static let quickSeconds = 10.0
    private static let quickEndsLimit = 5
    private static let restartSeconds = 0.5
    private static let lineBytesLimit = 2000
    /// How long workers that leave may take to do so.
    private static let leaveSeconds = 5

    static func isLocal(_ worker: String) -> Bool { worker.hasPrefix(Self.namePrefix) }

    /// - Parameter host: where the coordinator is reached from this machine.
    init(_ context: LaunchContext, authority: CertificateAuthority, host: String, port: Int) {
        self.context = context
        self.authority = authority
        // Local workers are given their certificates: the token is one that nobody accepts.
        self.joinLine = JoinLine(
            host: host,
            port: port,
            token: JoinToken(),
            authorityKeyDigest: authority.publicKeyDigest
        )
    }

    func start(onAllGone: @escaping @Sendable () async -> Void) throws {
        self.state.withLock { $0.onAllGone = onAllGone }
        for index in 0..<self.context.options.localWorkerCount {
            let name = "\(Self.namePrefix)\(index)"
            let folder = self.context.state.worker(name)
            try DurableFile.makeFolder(folder)
            let identity = try? Identity(folder: folder)
            if identity?.authority.keyDigest != self.authority.publicKeyDigest
                || identity.map({ $0.certificate.renewalSeconds <= currentSeconds() }) ?? true
            {
                try self.authority.makeIdentity(role: .worker, name: name).save(folder: folder)
            }
            try self.launch(name)
        }
    }

    private func launch(_ name: String) throws {
        var arguments = [
            "worker", "--lifeline", "--folder", self.context.state.worker(name), "--slots",
            "\(self.context.options.slots)",
            "--threads", "\(self.context.options.threadsPerShard)",
            // They share one machine.
            "--memory",
            "\(max(1, (MachineResources.current.memoryBytes >> 20) / self.context.options.localWorkerCount))",
        ]
        for label in self.context.options.labels { arguments += ["--label", label] }
        var environment = ProcessInfo.processInfo.environment
        // Not among the arguments, which every user of the machine can read.
        environment[WorkerCommand.joinVariable] = self.joinLine.description
        let started = ContinuousClock.now
        let run = try ProcessRun(
            program: Executable.path,
            arguments: arguments,
            environment: environment,
            lineBytesLimit: Self.lineBytesLimit
        ) { [say = self.context.say] line in
            if line.isError { say("\(name): \(line.text)") }
        } onExit: { [weak self] exit in
            self?.note(exit, of: name, after: (ContinuousClock.now - started) / .seconds(1))
        }
        self.state.withLock { $0.running[name] = run }
        run.start()
    }

    private func note(_ exit: ProcessExit, of name: String, after seconds: Double) {
        let (waiter, restarts, onAllGone) = self.state.withLock { state in
            state.running[name] = nil
            let waiter = state.running.isEmpty ? state.waiter.take() : nil
            let quick = seconds < Self.quickSeconds ? state.quickEnds[name, default: 0] + 1 : 0
            state.quickEnds[name] = quick
            // Code 0: it was asked to leave.
            let restarts = !state.isStopping && exit != .code(0) && quick < Self.quickEndsLimit
            if restarts { state.restarting += 1 }
            let areAllGone = !state.isStopping && state.running.isEmpty && state.restarting == 0
            return (waiter, restarts, areAllGone ? state.onAllGone : nil)
        }
        waiter?.resume()
        if let onAllGone { Task { await onAllGone() } }
        guard restarts else { return }
        self.context.say("\(name) ended with \(exit) and is started again")
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.restartSeconds) { [weak self] in
            self?.restart(name)
        }
    }

    private func restart(_ name: String) {
        let isWanted = self.state.withLock { state in
            state.restarting -= 1
            return !state.isStopping
        }
        guard isWanted else { return }
        do { try self.launch(name) } catch { self.context.say("\(error)") }
    }

    func stop(_ stopping: WorkerStopping) async {
        let running = self.state.withLock { state in
            state.isStopping = true
            return Array(state.running.values)
        }
        switch stopping {
        case .dismissed: break
        case .asked: for run in running { run.signal(SIGTERM) }
        case .atOnce, .left: self.kill()
        }
        let patience = Task {
            try await Task.sleep(for: .seconds(Self.leaveSeconds))
            self.kill()
        }
        await self.waitForAll()
        patience.cancel()
    }

    private func kill() {
        for run in self.state.withLock({ Array($0.running.values) }) { run.signal(SIGKILL) }
    }

    private func waitForAll() async {
        await withCheckedContinuation { continuation in
            let isOver = self.state.withLock { state in
                if !state.running.isEmpty { state.waiter = continuation }
                return state.running.isEmpty
            }
            if isOver { continuation.resume() }
        }
    }
}

/// This program, to be started again.
enum Executable {
    static let path: String =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        ?? CommandLine.arguments[0]
}
