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
        case hurried
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
        case .ended: try self.printTable()
        case .drained, .hurried:
            // Shells know an interrupted program by this code.
            print("resume with: quintet resume \(self.sweep.name)\(self.stateArgument)")
            throw ExitCode(130)
        case .broken(let reason):
            throw SessionError(
                "\(reason); what was finished is kept: quintet resume \(self.sweep.name)\(self.stateArgument)"
            )
        }
    }

    private var stateArgument: String {
        let usual = StateFolder.chosen(nil, environment: ProcessInfo.processInfo.environment)
        return usual == self.state ? "" : " --state \(self.state.path)"
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
        let port = try await service.start(host: address.host, port: address.port)
        if self.options.listen != nil {
            let host = MachineAddress.reachable(address.host)
            let line = try service.joinLine(
                host: host,
                port: port,
                uses: self.options.joins,
                validSeconds: SessionOptions.joinLineSeconds
            )
            display.write("another machine joins with: quintet worker --join \(line)")
        }
        let ends = AsyncStream<End>.makeStream()
        let signals = InterruptSignals { count in
            if count == 1 {
                display.write("stopping after checkpoints; again to stop at once")
                service.drain()
            } else {
                ends.continuation.yield(.hurried)
            }
        }
        let workers = LocalWorkers(
            state: self.state,
            authority: authority,
            options: self.options,
            port: port,
            host: MachineAddress.local(address.host),
            say: { display.write($0) }
        )
        let isAlone = self.options.listen == nil
        try workers.start {
            // Workers that leave because all is done are no news.
            guard isAlone, let now = await service.snapshot(), now.done + now.failed < now.total else { return }
            ends.continuation.yield(.broken("no worker is left on this machine"))
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

    private static func stopping(after end: End) -> LocalWorkers.Stopping {
        switch end {
        case .ended: .dismissed
        case .drained: .asked
        case .hurried, .broken: .atOnce
        }
    }

    /// Redraws where the sweep stands, over and over.
    private func show(_ service: CoordinatorService, _ shards: [SweepShard], _ display: ProgressDisplay) async {
        let started = ContinuousClock.now
        let before = shards.count { $0.result != nil }
        let sizes = Dictionary(
            shards.map { ($0.key, ResolvedSettings($0.planned.settings).integer("batchSize")) }
        ) { first, _ in first }
        let name = self.sweep.name
        await display.run {
            let now = await service.snapshot()
            return ProgressSnapshot(
                sweep: name,
                total: now?.total ?? shards.count,
                done: now?.done ?? before,
                failed: now?.failed ?? 0,
                doneBefore: Double(before),
                elapsedSeconds: (ContinuousClock.now - started) / .seconds(1),
                running: (now?.running ?? []).map { shard in
                    ProgressSnapshot.Running(
                        name: shard.name,
                        worker: shard.worker,
                        step: shard.progress?.step ?? 0,
                        steps: shard.progress?.steps,
                        batchSize: sizes[shard.key] ?? 1,
                        loss: shard.progress?.loss,
                        samplesPerSecond: shard.progress?.samplesPerSecond
                    )
                }
            )
        }
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
            case .stalled(let reason) where self.options.listen == nil:
                ends.yield(.broken("no worker can go on; \(reason)"))
            case .outOfRoom(let reason, isStalled: true) where self.options.listen == nil:
                ends.yield(.broken("no space left for checkpoints; \(reason)"))
            case .broken(let reason): ends.yield(.broken(reason))
            default: break
            }
        }
        return time
    }

    private func printTable() throws {
        let output = Terminal.standardOutput
        let report = try SweepReport(of: self.sweep, in: self.store)
        output.write("\n" + report.rendered(as: .terminal, styled: output.isStyled))
        let shards = try self.store.shards(of: self.sweep)
        guard shards.allSatisfy({ $0.result != nil }) else {
            let failed = shards.count { $0.result == nil }
            throw SessionError(
                "\(failed) of \(shards.count) shards failed; quintet status \(self.sweep.name)\(self.stateArgument) says "
                    + "why, quintet resume \(self.sweep.name)\(self.stateArgument) tries them again"
            )
        }
    }
}

/// A session that did not come to its end.
struct SessionError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
