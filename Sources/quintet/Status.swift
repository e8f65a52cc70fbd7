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

    @OptionGroup var state: StateOptions

    func run() async throws {
        let store = try Store(reading: self.state.folder.database)
        let sweeps = try self.sweep == nil ? store.sweeps() : [store.sweep(named: self.sweep)]
        let output = Terminal.standardOutput
        for sweep in sweeps { output.write(Self.text(sweep, try store.shards(of: sweep))) }
        for line in await self.obstacles() { output.write(oneLine(line, limit: 400) + "\n") }
    }

    /// What the coordinator that runs is up against; nothing where none runs or answers.
    private func obstacles() async -> [String] {
        let coordinator = try? await CoordinatorAccess.running(self.state.folder, version: Quintet.version)
        return (try? await coordinator?.lines(.obstacles)) ?? []
    }

    /// One line for the sweep, and one for each shard without a result.
    static func text(_ sweep: StoredSweep, _ shards: [SweepShard]) -> String {
        let done = shards.count { $0.result != nil }
        let failed = shards.count { $0.result == nil && $0.givenUp == .failed }
        let quarantined = shards.count { $0.result == nil && $0.givenUp == .quarantined }
        let standing = sweep.terms.standing == .active ? "" : " (\(sweep.terms.standing))"
        var lines = [
            "\(sweep.name)\(standing): \(done) of \(shards.count) done\(failed == 0 ? "" : ", \(failed) failed")"
                + (quarantined == 0 ? "" : ", \(quarantined) quarantined")
        ]
        for shard in shards where shard.result == nil {
            lines.append("\(shard.planned.name)  \(Self.state(of: shard))")
        }
        return lines.enumerated().map { index, line in
            (index == 0 ? "" : "  ") + oneLine(line, limit: 400) + "\n"
        }.joined()
    }

    /// What became of a shard without a result.
    static func state(of shard: SweepShard) -> String {
        let checkpoint = shard.checkpoints?.last.map { ", checkpoint at step \($0.step)" } ?? ""
        if let givenUp = shard.givenUp {
            return "\(givenUp.rawValue): \(shard.failures?.last?.message ?? "no reason is known")"
        }
        if let worker = shard.worker { return "given to \(worker)\(checkpoint)" }
        let last = shard.failures?.last.map { "; last try: \($0.message)" } ?? ""
        return "waiting\(checkpoint)\(last)"
    }
}
