import ArgumentParser
import Coordination
import CoordinatorShell
import Digests
import Reports
import Sweeps
import Wire

/// `quintet why`
struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say why a shard or a worker is as it is: waiting, failed, suspended, or run again."
    )

    @Argument(help: "A shard: its name, such as rte/lora/3, or the first digits of its key; or a worker's name.")
    var shard: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        let store = try await self.state.readableStore()
        if let worker = try store.workers().first(where: { $0.name == self.shard }) {
            return Self.show([worker.name] + (try await self.live(worker.name) ?? ["no coordinator runs"]))
        }
        let (sweep, shard) = try store.shards(named: [self.shard])[0]
        var lines = ["\(shard.planned.name) of sweep \(sweep.name), key \(shard.key.short)"]
        lines += try await self.live(shard.key.description) ?? Self.standing(shard, sweep)
        if let given = try store.result(of: shard.key) {
            let token = given.token.map { " under lease \($0)" } ?? ""
            lines.append("its result came from \(given.worker)\(token)")
        } else {
            lines += try self.reruns(shard, store)
        }
        Self.show(lines)
    }

    private static func show(_ lines: [String]) {
        let text = lines.enumerated().map { index, line in (index == 0 ? "" : "  ") + oneLine(line, limit: 400) + "\n" }
        Terminal.standardOutput.write(text.joined())
    }

    /// What the coordinator says that runs; `nil` where none does.
    private func live(_ name: String) async throws -> [String]? {
        let coordinator = try await CoordinatorAccess.running(self.state.folder, version: Quintet.version)
        return try await coordinator?.lines(.explain(name))
    }

    private static func standing(_ shard: SweepShard, _ sweep: StoredSweep) -> [String] {
        var lines: [String] = []
        if shard.result != nil {
            lines.append("it is done")
        } else if let givenUp = shard.givenUp {
            lines.append("it is given up (\(givenUp.rawValue)); quintet resume --\(givenUp.rawValue) tries it again")
        } else if sweep.terms.standing != .active {
            lines.append("its sweep is \(sweep.terms.standing)")
        } else if let worker = shard.worker {
            lines.append("it was given to \(worker)")
        } else {
            lines.append("it waits for a worker")
        }
        if let failures = shard.failures {
            lines += failures.experiment.map { "it failed on \($0.worker): \($0.failure.message)" }
            if failures.infrastructure > 0 { lines.append("it was lost \(failures.infrastructure) times in a row") }
            if let last = failures.last { lines.append("the last time: \(last.message)") }
        }
        if let last = shard.checkpoints?.last { lines.append("it goes on from its checkpoint at step \(last.step)") }
        return lines
    }

    /// Why the results of shards that look alike are none of this one's.
    private func reruns(_ shard: SweepShard, _ store: Store) throws -> [String] {
        guard let own = try store.shard(shard.key) else { return [] }
        let alike = try store.finishedShards(task: own.task, method: own.method, seed: own.seed)
        let differences = alike.map(own.differences).filter { !$0.isEmpty }
        guard let fewest = differences.min(by: { $0.count < $1.count }) else { return [] }
        return ["a shard like it has a result, but differs in \(fewest.joined(separator: ", "))"]
    }
}
