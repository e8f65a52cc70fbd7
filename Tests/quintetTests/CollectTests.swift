import Coordination
import CoordinatorShell
import Digests
import Foundation
import Reports
import Sweeps
import Testing

@testable import quintet

@Suite struct CollectTests {
    private static let grid = """
        sweep: example
        backbone: tiny-random
        tasks: [offline]
        methods: [full, lora]
        seeds: 2
        """

    /// Goal: the table is a function of the store: results, failures with their reasons, and what is still to do.
    /// Method: a store with one cell complete, and one with a failed and an untouched shard, read while it is open.
    @Test func `the table shows what the store knows`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "collect-\(UUID().uuidString).sqlite")
        defer {
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file.path + suffix) }
        }
        let store = try Store(writing: file.path)
        try self.fill(store)
        let reading = try Store(reading: file.path)
        let table = try SweepReport(of: try reading.sweep(named: nil), in: reading).rendered(as: .markdown)
        let expected = """
            **example on tiny-random**. Scores × 100: mean ± std over 2 seeds (ddof 1). Scored on validation (fullDev). \
            Trainable parameters without the head.

            | method | trainable parameters | offline (accuracy) |
            |:-------|---------------------:|-------------------:|
            | full   |                1,234 |      75.00 ± 35.36 |
            | lora   |                    – |            – (0/2) |

            - 2 of 4 shards have no result; go on with: quintet resume example
            - failed: offline/lora/0: the loss is nan

            """
        #expect(table == expected)
    }

    private func fill(_ store: Store) throws {
        let sweep = StoredSweep(name: "example", definition: Self.grid, launchedSeconds: 1)
        let shards = try sweep.grid().shards().map { planned in
            try planned.shard(backbone: SHA256.hash("b"), data: SHA256.hash("d"))
        }
        #expect(try store.submit(sweep, shards: shards, folders: []) == .new)
        let finished = zip(shards, [0.5, 1]).enumerated().map { index, pair in
            Coordinator.JournalEntry.finished(
                Lease(token: LeaseToken(epoch: 1, counter: UInt64(index)), key: pair.0.key),
                by: "w",
                self.result(of: pair.0, accuracy: pair.1),
                checkpoints: Checkpoints()
            )
        }
        var failures = Coordinator.Failures()
        failures.last = AttemptFailure(cause: .experiment, kind: .diverged, message: "the loss is nan")
        try store.apply(finished + [.failed(shards[2].key, failures, .failed)])
    }

    private func result(of shard: Shard, accuracy: Double) -> ShardResult {
        let scored = Evaluation(
            split: "validation",
            step: 1,
            epoch: 1,
            loss: 0.5,
            metrics: [.accuracy: accuracy],
            runtimeSeconds: 1,
            samples: 1,
            steps: 1
        )
        return ShardResult(
            key: shard.key,
            task: shard.task,
            method: shard.method,
            seed: shard.seed,
            splitProtocol: .fullDev,
            scored: scored,
            evaluations: [scored],
            trainingLoss: 0.5,
            steps: 1,
            epochs: 1,
            scoredStep: 1,
            runtimeSeconds: 1,
            samplesPerSecond: 1,
            stepsPerSecond: 1,
            peakMemoryBytes: 1,
            trainableParametersInitial: 1234,
            trainableParametersFinal: 1234,
            headParameters: 1,
            parametersDigest: SHA256.hash("p"),
            environment: Environment(processor: "p", kernelClass: "k", threads: 1, operatingSystem: "o", version: "v")
        )
    }
}
