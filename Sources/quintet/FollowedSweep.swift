import Coordination
import CoordinatorShell
import Foundation
import Reports
import Sweeps
import Wire

/// A sweep that a coordinator in another process works on, shown as `launch` shows its own, until it is over.
struct FollowedSweep {
    let state: StateFolder
    /// Its name.
    let sweep: String
    /// As they stand at the start.
    let shards: [SweepShard]

    /// How long a coordinator may be away before nobody is thought to work on the sweep.
    private static let absenceSeconds = 20.0
    /// How long it may take for an answer.
    private static let answerSeconds = 10.0

    /// Shows it, then prints the table.
    ///
    /// - Parameter isExpected: whether a coordinator that is away is on its way: a job that waits, say.
    /// - Throws: as ``SweepSession/run()``; ``SessionError`` where no coordinator runs; `OperatorRefusal` where the one
    ///   that runs does not work on the sweep.
    func run(isExpected: () async -> Bool) async throws {
        let display = ProgressDisplay()
        let signals = InterruptSignals { _ in
            display.finish()
            exit(130)
        }
        defer { signals.cancel() }
        let showing = SweepProgress(sweep: self.sweep, shards: self.shards)
        var client: OperatorClient?
        var awaySince: ContinuousClock.Instant?
        while true {
            do {
                let connected = if let client { client } else { try await self.dial() }
                client = connected
                let snapshot = try await connected.snapshot(of: self.sweep)
                awaySince = nil
                display.show(showing.snapshot(snapshot))
                if snapshot.done + snapshot.failed == snapshot.total || snapshot.standing == .cancelled { break }
            } catch {
                client = nil
                if try await self.isOver() { break }
                if let refusal = error as? OperatorRefusal {
                    display.finish()
                    throw refusal
                }
                let since = awaySince ?? ContinuousClock.now
                if awaySince == nil { display.write("no coordinator runs at the moment") }
                awaySince = since
                if ContinuousClock.now - since > .seconds(Self.absenceSeconds), await !isExpected() {
                    display.finish()
                    throw SessionError("no coordinator works on \(self.sweep); quintet resume \(self.sweep) goes on")
                }
            }
            try await Task.sleep(for: awaySince == nil ? ProgressDisplay.redrawInterval : .seconds(1))
        }
        display.finish()
        let store = try await self.finalStore()
        try store.sweep(named: self.sweep).printTable(from: store, state: self.state)
    }

    private func dial() async throws -> OperatorClient {
        try await CoordinatorAccess.dial(self.state, version: Quintet.version, withinSeconds: Self.answerSeconds)
    }

    /// The store, once its coordinator has ended where it is about to: it can answer no more before it lets go of it.
    private func finalStore() async throws -> Store {
        let deadline = ContinuousClock.now + .seconds(Self.absenceSeconds)
        while true {
            do {
                return try await Store.reading(self.state, version: Quintet.version)
            } catch let error where !(error is StoreError) && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Whether nothing is left to do, or the sweep was cancelled.
    private func isOver() async throws -> Bool {
        guard let store = try? await Store.reading(self.state, version: Quintet.version) else { return false }
        let sweep = try store.sweep(named: self.sweep)
        let shards = try store.shards(of: sweep)
        return sweep.terms.standing == .cancelled || shards.allSatisfy { $0.result != nil || $0.givenUp != nil }
    }
}

/// Makes what a display shows of what a coordinator says.
struct SweepProgress: Sendable {
    private let sweep: String
    private let total: Int
    private let before: Int
    private let batchSizes: [ShardKey: Int]
    private let started = ContinuousClock.now

    /// - Parameter shards: as they stand at the start.
    init(sweep: String, shards: [SweepShard]) {
        self.sweep = sweep
        self.total = shards.count
        self.before = shards.count { $0.result != nil }
        self.batchSizes = Dictionary(
            shards.map { ($0.key, ResolvedSettings($0.planned.settings).integer("batchSize")) }
        ) { first, _ in first }
    }

    /// - Parameter now: `nil` where the coordinator says nothing.
    func snapshot(_ now: CoordinatorSnapshot?) -> ProgressSnapshot {
        ProgressSnapshot(
            sweep: self.sweep,
            total: now?.total ?? self.total,
            done: now?.done ?? self.before,
            failed: now?.failed ?? 0,
            doneBefore: Double(self.before),
            elapsedSeconds: (ContinuousClock.now - self.started) / .seconds(1),
            running: (now?.running ?? []).filter { self.batchSizes[$0.key] != nil }.map { shard in
                ProgressSnapshot.Running(
                    name: shard.name,
                    worker: shard.worker,
                    step: shard.progress?.step ?? 0,
                    steps: shard.progress?.steps,
                    batchSize: self.batchSizes[shard.key] ?? 1,
                    loss: shard.progress?.loss,
                    samplesPerSecond: shard.progress?.samplesPerSecond
                )
            }
        )
    }
}

extension StoredSweep {
    /// Prints the table as it stands at the end.
    ///
    /// - Throws: ``SessionError`` where shards have no result.
    func printTable(from store: Store, state: StateFolder) throws {
        let output = Terminal.standardOutput
        output.write("\n" + (try SweepReport(of: self, in: store)).rendered(as: .terminal, styled: output.isStyled))
        let shards = try store.shards(of: self)
        let missing = shards.count { $0.result == nil }
        guard missing > 0 else { return }
        let name = self.name + state.argument
        throw SessionError(
            "\(missing) of \(shards.count) shards have no result; quintet status \(name) says why, "
                + "quintet resume \(name) tries them again"
        )
    }
}

extension StateFolder {
    /// What commands need to be told of it: nothing where it is the usual one.
    var argument: String {
        let usual = StateFolder.chosen(nil, environment: ProcessInfo.processInfo.environment)
        return usual == self ? "" : " --state \(self.path)"
    }
}
