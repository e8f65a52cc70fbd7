import Digests
import Reports
import Sweeps

/// A sweep with made-up scores.
struct ExampleSweep {
    var definition: SweepDefinition
    /// By the names of tasks, labels and seeds: `rte/lora/3`.
    var outcomes: [String: ShardOutcome] = [:]
    /// Cells by the names of tasks and labels, `rte/lora`, of which some settings are ours.
    var ours: Set<String> = []
    var published: PublishedTable?

    init(tasks: [String], methods: [String], seeds: Int = 5, overrides: [SweepDefinition.Override] = []) {
        self.definition = SweepDefinition(
            name: "example",
            backbone: "tiny-random",
            tasks: tasks,
            methods: methods.map { .init(label: $0, method: $0, settings: [:]) },
            seeds: Array(0..<seeds),
            overrides: overrides
        )
    }

    /// Finishes the cell's first shards with these scores; `nil` is a score that is undefined.
    mutating func finish(_ cell: String, _ scores: [Double?], trainableParameters: Int = 1000) throws {
        for (seed, score) in zip(self.definition.seeds, scores) {
            let name = "\(cell)/\(seed)"
            guard let shard = try self.definition.shards().first(where: { $0.name == name }) else { continue }
            let metric =
                try self.published?.measures[shard.cell.task] ?? TaskDescription.named(shard.cell.task).primary
            self.outcomes[name] = .finished(
                exampleResult(
                    of: shard,
                    metrics: score.map { [metric: $0] } ?? [:],
                    trainableParameters: trainableParameters
                )
            )
        }
    }

    var report: SweepReport {
        get throws {
            let shards = try self.definition.shards().map {
                (shard: $0, outcome: self.outcomes[$0.name] ?? .unfinished)
            }
            return try SweepReport(
                sweep: self.definition.name,
                backbone: self.definition.backbone,
                shards: shards,
                ours: Set(shards.map(\.shard.cell).filter { self.ours.contains("\($0.task)/\($0.label)") }),
                against: self.published
            )
        }
    }

    /// Two tasks and three methods: one method complete, one with a cell that is not, one with a failed shard.
    static func mixed() throws -> ExampleSweep {
        var sweep = ExampleSweep(tasks: ["cola", "rte"], methods: ["full", "lora", "bitfit"])
        try sweep.finish("cola/full", [0.2868, 0.2833, 0.2483, 0.2751, 0.2705], trainableParameters: 22_565_376)
        try sweep.finish("rte/full", [0.60, 0.61, 0.62, 0.63, 0.64], trainableParameters: 22_565_376)
        try sweep.finish("cola/lora", [0.2258, 0.2310, 0.23, 0.2277, 0.2291], trainableParameters: 331_776)
        try sweep.finish("rte/lora", [0.655, 0.651, 0.66], trainableParameters: 331_776)
        try sweep.finish("cola/bitfit", [0.1, -0.05, 0.02, 0.2, 0.15], trainableParameters: 30_720)
        try sweep.finish("rte/bitfit", [0.58, 0.59, 0.57, 0.58], trainableParameters: 30_720)
        sweep.outcomes["rte/bitfit/4"] = .failed("the loss is nan at step 12;\nlower learningRate")
        return sweep
    }
}

func exampleResult(of shard: PlannedShard, metrics: [MetricName: Double], trainableParameters: Int) -> ShardResult {
    let scored = Evaluation(
        split: "validation",
        step: 30,
        epoch: 3,
        loss: 0.5,
        metrics: metrics,
        runtimeSeconds: 1,
        samples: 100,
        steps: 4
    )
    return ShardResult(
        key: SHA256.hash(shard.name),
        task: shard.cell.task,
        method: shard.cell.method,
        seed: shard.seed,
        splitProtocol: .fullDev,
        scored: scored,
        evaluations: [scored],
        trainingLoss: 0.4,
        steps: 30,
        epochs: 3,
        scoredStep: 30,
        runtimeSeconds: 10,
        samplesPerSecond: 96,
        stepsPerSecond: 3,
        peakMemoryBytes: 1 << 28,
        trainableParametersInitial: trainableParameters,
        trainableParametersFinal: trainableParameters,
        headParameters: 770,
        parametersDigest: SHA256.hash("parameters of \(shard.name)"),
        environment: Environment(
            processor: "a processor",
            kernelClass: "a kernel class",
            threads: 1,
            operatingSystem: "an operating system",
            version: "0"
        )
    )
}
