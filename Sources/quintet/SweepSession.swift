import ArgumentParser
import Coordination
import CoordinatorShell
import Files
import Foundation
import Logging
import Reports
import Sweeps
import Transport
import Wire

/// One sitting on a sweep: the coordinator in this process, its local workers, what a person sees of it, and the end.
struct SweepSession {
    let state: StateFolder
    /// Held until the session is over.
    let lock: FolderLock
    let store: Store
    let sweep: StoredSweep
    let options: SessionOptions
    /// Which shards that were given up are tried again.
    var retried: Set<GivenUp> = [.failed, .quarantined]
    /// Said first.
    let note: String?

    /// How a session ends.
    private enum End {
        case ended
        case drained
        case cancelled
        case hurried
        /// Slurm ends the coordinator's job, or puts it back into the queue.
        case left
        case broken(String)
    }

    /// Runs the sweep to its end and prints the table.
    ///
    /// - Throws: `ExitCode` 1 where shards failed and 130 where the session was interrupted; errors in one line.
    func run() async throws {
        defer { withExtendedLifetime(self.lock) {} }
        let display = ProgressDisplay()
        if let note { display.write(note) }
        let retried = try self.store.retry(self.retried, of: self.sweep.name)
        if retried > 0 { display.write("trying \(retried) shards again that were given up") }
        let end = try await self.work(display)
        display.finish()
        switch end {
        case .ended: try self.sweep.printTable(from: self.store, state: self.state)
        case .cancelled:
            print(
                "sweep \(self.sweep.name) was cancelled; quintet resume \(self.sweep.name)\(self.state.argument) goes on"
            )
            throw ExitCode(130)
        case .drained, .hurried:
            // Shells know an interrupted program by this code.
            print("resume with: \(self.resume)")
            throw ExitCode(130)
        case .left: throw ExitCode(130)
        case .broken(let reason):
            throw SessionError("\(reason); what was finished is kept: \(self.resume)")
        }
    }

    /// The command that goes on.
    private var resume: String {
        "quintet resume \(self.sweep.name)\(self.state.argument)\(self.options.placeArgument)"
    }

    private func work(_ display: ProgressDisplay) async throws -> End {
        let shards = try self.store.shards(of: self.sweep)
        let reused = shards.count { $0.result != nil }
        if reused == shards.count { return .ended }
        if reused > 0 { display.write("\(reused) of \(shards.count) shards have their results already") }
        let authority = try CertificateAuthority(folder: self.state.authority)
        let logger = Logger(label: "quintet") { display.logHandler(label: $0) }
        let service = try CoordinatorService(
            state: self.state,
            store: self.store,
            authority: authority,
            sweeps: [self.sweep],
            diskBytes: self.options.disk.bytes,
            version: Quintet.version,
            logger: logger,
            policy: EnrolmentPolicy(approval: self.options.approveByHand ? .byHand : .automatic)
        )
        let address = try self.options.address()
        let port = try await service.start(host: address.host, port: address.port) { port in
            try self.options.reach.address(host: address.host, port: port)
        }
        let usualFile = self.options.on == nil ? nil : self.state.joinFile
        try self.options.reach.letIn(service, by: usualFile, host: address.host, port: port)
        if self.options.printsJoinLine {
            let line = try self.options.reach.joinLine(
                service,
                uses: self.options.joins,
                host: address.host,
                port: port
            )
            display.write("another machine joins with: quintet worker --join \(line)")
        }
        let ends = AsyncStream<End>.makeStream()
        let isJob = self.options.asJob
        let signals = InterruptSignals { count in
            if isJob {
                ends.continuation.yield(.left)
            } else if count == 1 {
                display.write("stopping after checkpoints; again to stop at once")
                service.drain()
            } else {
                ends.continuation.yield(.hurried)
            }
        }
        let workers = try self.launcher(service, authority, host: address.host, port: port, display)
        try workers.start {
            // Workers that leave because all is done are no news.
            guard !self.options.mayOthersJoin, let now = await service.snapshot(), now.done + now.failed < now.total
            else { return }
            ends.continuation.yield(.broken("no worker is left"))
        }
        let showing = Task { await self.show(service, shards, display) }
        let watching = Task { await self.watch(service, display, ends.continuation) }
        var iterator = ends.stream.makeAsyncIterator()
        let end = await iterator.next() ?? .hurried
        signals.cancel()
        showing.cancel()
        await workers.stop(Self.stopping(after: end))
        await service.shutdown()
        watching.cancel()
        if let efficiency = Self.efficiency(await watching.value) { display.write(efficiency) }
        return end
    }

    /// What starts the workers, where the options say.
    private func launcher(
        _ service: CoordinatorService,
        _ authority: CertificateAuthority,
        host: String,
        port: Int,
        _ display: ProgressDisplay
    ) throws -> any WorkerLauncher {
        let context = LaunchContext(
            state: self.state,
            options: self.options,
            sweep: self.sweep.name,
            joinFile: self.options.reach.joinFile.map(JoinFile.init) ?? self.state.joinFile,
            say: { display.write($0) },
            shardsLeft: { [store, sweep] in
                // For a paused sweep workers would come for nothing.
                guard (try? store.sweep(named: sweep.name))?.terms.standing == .active else { return (0, 0) }
                return await service.snapshot().map {
                    let left = $0.total - $0.done - $0.failed
                    // A late shard may run twice.
                    return (left, left - Set($0.running.map(\.key)).count)
                }
            }
        )
        switch self.options.on {
        case nil: return LocalWorkers(context, authority: authority, host: MachineAddress.local(host), port: port)
        case .hosts(let path):
            return SSHWorkers(
                context,
                hosts: try HostsFile(yaml: try readText(path, what: "file of hosts"), file: path)
            )
        case .slurm: return SlurmWorkers(context)
        }
    }

    private static func stopping(after end: End) -> WorkerStopping {
        switch end {
        case .ended: .dismissed
        case .drained, .cancelled: .asked
        case .hurried, .broken: .atOnce
        case .left: .left
        }
    }

    /// Redraws where the sweep stands, over and over.
    private func show(_ service: CoordinatorService, _ shards: [SweepShard], _ display: ProgressDisplay) async {
        let progress = SweepProgress(sweep: self.sweep.name, shards: shards)
        await display.run { progress.snapshot(await service.snapshot()) }
    }

    /// How much of what was leased was training, for people.
    private static func efficiency(_ time: CoreTime) -> String? {
        guard time.leasedSeconds > 0 else { return nil }
        return String(
            format: "grid efficiency %.3f: of %.0f core seconds under lease, %.0f were training for accepted results",
            time.trainedSeconds / time.leasedSeconds,
            time.leasedSeconds,
            time.trainedSeconds
        )
    }

    /// Tells what happens until it is over.
    ///
    /// - Returns: what all leases took.
    private func watch(
        _ service: CoordinatorService,
        _ display: ProgressDisplay,
        _ ends: AsyncStream<End>.Continuation
    ) async -> CoreTime {
        var time = CoreTime()
        for await notice in service.notices {
            display.tell(notice)
            switch notice {
            case .released(let more): time += more
            case .ended: ends.yield(.ended)
            case .drained: ends.yield(.drained)
            case .sweepCancelled(self.sweep.name): ends.yield(.cancelled)
            case .stalled(let reason) where self.options.isAlone:
                ends.yield(.broken("no worker can go on; \(reason)"))
            case .outOfRoom(let reason, isStalled: true) where self.options.isAlone:
                ends.yield(.broken("no space left for checkpoints; \(reason)"))
            case .broken(let reason): ends.yield(.broken(reason))
            default: break
            }
        }
        return time
    }
}

/// A session that did not come to its end.
struct SessionError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
