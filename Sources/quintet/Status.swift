import ArgumentParser
import Coordination
import CoordinatorShell
import Reports
import Sweeps
import Wire

/// `quintet status`
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say where sweeps stand, and what became of the shards that have no result."
    )

    @Argument(help: "The sweep; without it, all.")
    var sweep: String?

    @Flag(help: "Show the sweep (without a name, the one launched last) at work until it is over, then its table.")
    var follow = false

    @OptionGroup var state: StateOptions

    func run() async throws {
        if self.follow { return try await self.followSweep() }
        let store = try await self.state.readableStore()
        let coordinator = try? await CoordinatorAccess.running(self.state.folder, version: Quintet.version)
        let workers = (try? await coordinator?.workers()) ?? []
        let sweeps = try self.sweep == nil ? store.sweeps() : [store.sweep(named: self.sweep)]
        let output = Terminal.standardOutput
        for sweep in sweeps { output.write(Self.text(sweep, try store.shards(of: sweep), workers)) }
        for line in (try? await coordinator?.lines(.obstacles)) ?? [] { output.write(oneLine(line, limit: 400) + "\n") }
    }

    private func followSweep() async throws {
        let (sweep, shards) = try await self.namedSweep()
        let slurm = SlurmSession(of: sweep, in: self.state.folder)
        try await FollowedSweep(state: self.state.folder, sweep: sweep, shards: shards).run {
            await slurm?.isComing ?? false
        }
    }

    /// The sweep's name, and its shards. The store is closed again: it would be open as long as the sweep is followed.
    private func namedSweep() async throws -> (String, [SweepShard]) {
        let store = try await self.state.readableStore()
        let sweep = try store.sweep(named: self.sweep)
        return (sweep.name, try store.shards(of: sweep))
    }

    /// One line for the sweep, and one for each shard without a result.
    ///
    /// - Parameter workers: those that are known.
    static func text(_ sweep: StoredSweep, _ shards: [SweepShard], _ workers: [WorkerRecord] = []) -> String {
        let places = Dictionary(workers.map { ($0.name, $0.place) }) { first, _ in first }
        let done = shards.count { $0.result != nil }
        let failed = shards.count { $0.result == nil && $0.givenUp == .failed }
        let quarantined = shards.count { $0.result == nil && $0.givenUp == .quarantined }
        let standing = sweep.terms.standing == .active ? "" : " (\(sweep.terms.standing))"
        var lines = [
            "\(sweep.name)\(standing): \(done) of \(shards.count) done\(failed == 0 ? "" : ", \(failed) failed")"
                + (quarantined == 0 ? "" : ", \(quarantined) quarantined")
        ]
        for shard in shards where shard.result == nil {
            lines.append("\(shard.planned.name)  \(Self.state(of: shard, places))")
        }
        return lines.enumerated().map { index, line in
            (index == 0 ? "" : "  ") + oneLine(line, limit: 400) + "\n"
        }.joined()
    }

    /// What became of a shard without a result.
    ///
    /// - Parameter places: where workers are, by name.
    static func state(of shard: SweepShard, _ places: [String: String?] = [:]) -> String {
        let checkpoint = shard.checkpoints?.last.map { ", checkpoint at step \($0.step)" } ?? ""
        if let givenUp = shard.givenUp {
            return "\(givenUp.rawValue): \(shard.failures?.last?.message ?? "no reason is known")"
        }
        if let worker = shard.worker {
            let place = (places[worker] ?? nil).map { " (\($0))" } ?? ""
            return "given to \(worker)\(place)\(checkpoint)"
        }
        let last = shard.failures?.last.map { "; last try: \($0.message)" } ?? ""
        return "waiting\(checkpoint)\(last)"
    }
}
