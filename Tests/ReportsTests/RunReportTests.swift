import Digests
import Foundation
import Reports
import Sweeps
import Testing

@Suite struct RunReportTests {
    private static func evaluation(
        _ split: String,
        step: Int,
        metrics: [MetricName: Double],
        memory: Evaluation.Memory? = nil
    ) -> Evaluation {
        Evaluation(
            split: split,
            step: step,
            epoch: 2.5,
            loss: 0.25,
            metrics: metrics,
            runtimeSeconds: 80,
            samples: 1000,
            steps: 32,
            memory: memory
        )
    }

    /// A run with all three evaluations and, of another protocol, one of an older program.
    private let runs: [RunReport.Run]

    init() {
        var result = exampleResult(
            of: "rte/lora/0",
            task: "rte",
            evaluations: [
                Self.evaluation("validation", step: 20, metrics: [.accuracy: 0.8125]),
                Self.evaluation("validation", step: 30, metrics: [.accuracy: 0.625]),
                Self.evaluation(
                    "train",
                    step: 20,
                    metrics: [.accuracy: 1],
                    memory: .init(beforeBytes: 300 << 20, afterBytes: 1 << 30, peakBytes: 2 << 30)
                ),
                Self.evaluation("test", step: 20, metrics: [.accuracy: 0.75]),
            ]
        )
        (result.splitProtocol, result.scoredStep, result.runtimeSeconds) = (.soraSplit42, 20, 4000)
        let older = exampleResult(
            of: "sts-b/full/1",
            task: "sts-b",
            evaluations: [
                Self.evaluation("validation", step: 30, metrics: [.pearson: 0.9, .spearman: 0.875, .combined: 0.8875])
            ]
        )
        self.runs = [
            .init(sweep: "first", backbone: "tiny-random", name: "rte/lora/0", result: result),
            .init(sweep: "second", backbone: "tiny-random", name: "sts-b/full/1", result: older),
        ]
    }

    @Test func `runs side by side`() {
        let expected = """
            shard                         rte/lora/0  sts-b/full/1
            sweep                              first        second
            key                             \(SHA256.hash("rte/lora/0").short)      \(SHA256.hash("sts-b/full/1").short)
            backbone                     tiny-random   tiny-random
            task                                 rte         sts-b
            method                              lora          lora
            seed                                   3             3
            protocol                     soraSplit42       fullDev
            scored step                     20 of 30      30 of 30
            trainable parameters, start      331,776       331,776
            trainable parameters, end        294,912       294,912
            head's parameters                    770           770

            train
              epochs                            3.00          3.00
              loss                            0.4000        0.4000
              runtime                        1:06:40       10.00 s
              steps                               30            30
              samples/s                         96.0          96.0
              steps/s                           3.00          3.00
              memory, peak                 3,072 MiB     3,072 MiB

            evaluation on training examples
              epoch                             2.50             –
              accuracy                        100.00             –
              loss                            0.2500             –
              runtime                           1:20             –
              samples                          1,000             –
              samples/s                         12.5             –
              steps/s                           0.40             –
              memory before                  300 MiB             –
              memory after                 1,024 MiB             –
              memory, peak                 2,048 MiB             –

            evaluation on validation
              epoch                             2.50          2.50
              accuracy                         81.25             –
              pearson                              –         90.00
              spearman                             –         87.50
              combined                             –         88.75
              loss                            0.2500        0.2500
              runtime                           1:20          1:20
              samples                          1,000         1,000
              samples/s                         12.5          12.5
              steps/s                           0.40          0.40

            test
              epoch                             2.50             –
              accuracy                         75.00             –
              loss                            0.2500             –
              runtime                           1:20             –
              samples                          1,000             –
              samples/s                         12.5             –
              steps/s                           0.40             –

            Scores × 100. Memory is what the process had resident.

            """
        #expect(RunReport(self.runs).rendered(as: .terminal) == expected)
    }

    @Test func `runs that do not fit beside each other stand below`() {
        let report = RunReport(self.runs)
        let lines = report.rendered(as: .terminal, columns: 53).split(separator: "\n").dropLast()
        #expect(lines.contains("shard                         rte/lora/0"))
        #expect(lines.contains("shard                        sts-b/full/1"))
        #expect(report.rendered(as: .terminal, columns: 54) == report.rendered(as: .terminal))
        #expect(report.rendered(as: .terminal, columns: 1) == report.rendered(as: .terminal, columns: 53))
    }

    @Test func `JSON has an object for each run`() throws {
        let evaluation = """
            "loss": 0.25, "runtimeSeconds": 80, "samples": 1000, "samplesPerSecond": 12.5, "stepsPerSecond": 0.4
            """
        let none = """
            "memoryBeforeBytes": null, "memoryAfterBytes": null, "memoryPeakBytes": null
            """
        let expected = """
              {"shard": "rte/lora/0", "sweep": "first", "key": "\(SHA256.hash("rte/lora/0"))", \
            "backbone": "tiny-random", "task": "rte", "method": "lora", "seed": 3, "protocol": "soraSplit42", \
            "scoredStep": 20, "trainableParametersInitial": 331776, "trainableParametersFinal": 294912, \
            "trueParametersInitial": null, "trueParametersFinal": null, "headParameters": 770, "train": {"epochs": 3, "loss": 0.4, "runtimeSeconds": 4000, "steps": 30, \
            "samplesPerSecond": 96, "stepsPerSecond": 3, "peakMemoryBytes": 3221225472}, \
            "trainingSample": {"epoch": 2.5, "metrics": {"accuracy": 1}, \(evaluation), \
            "memoryBeforeBytes": 314572800, "memoryAfterBytes": 1073741824, "memoryPeakBytes": 2147483648}, \
            "validation": {"epoch": 2.5, "metrics": {"accuracy": 0.8125}, \(evaluation), \(none)}, \
            "test": {"epoch": 2.5, "metrics": {"accuracy": 0.75}, \(evaluation), \(none)}, "ranks": null, "stages": null},
            """
        let json = RunReport(self.runs).rendered(as: .json)
        #expect(json.split(separator: "\n").dropFirst().first.map(String.init) == expected)
        let objects = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]])
        #expect(objects.count == 2 && objects[1]["test"] is NSNull)
    }

    /// What SoRA's schedule leaves: counts by both rules, ranks, and a line a stage.
    private func staged() -> RunReport {
        var result = self.runs[0].result
        (result.trueParametersInitial, result.trueParametersFinal) = (332_352, 290_000)
        result.ranks = [.init(block: 0, layer: "query", initial: 8, final: 5)]
        result.stages = [
            .init(
                step: 3900,
                sparsity: 0,
                ranks: 576,
                validation: 0.75,
                generalization: 100,
                training: 1,
                memorization: 100
            ),
            .init(
                step: 5070,
                sparsity: 1.1667e-4,
                ranks: 431,
                validation: 0.7125,
                generalization: 95,
                training: nil,
                memorization: nil
            ),
        ]
        return RunReport([.init(sweep: "s", backbone: "b", name: "rte/sora/0", result: result), self.runs[1]])
    }

    @Test func `counts by both rules and stages`() {
        let text = self.staged().rendered(as: .terminal)
        let counts = """
            trainable parameters, end        294,912       294,912
            true parameters, start           332,352             –
            true parameters, end             290,000             –
            head's parameters                    770           770

            """
        let stages = """

            stages of rte/sora/0; %: of the first stage's
               step    sparsity  ranks  validation  generalization  training  memorization
              3,900           0    576       75.00         100.0 %    100.00       100.0 %
              5,070  0.00011667    431       71.25          95.0 %         –             –

            Scores × 100. Memory is what the process had resident.

            """
        #expect(text.contains("\n\(counts)"))
        #expect(text.hasSuffix("\n\(stages)"))
    }

    @Test func `JSON has counts, ranks and stages`() throws {
        let json = self.staged().rendered(as: .json)
        let expected = """
            "ranks": [{"block": 0, "layer": "query", "initial": 8, "final": 5}], \
            "stages": [{"step": 3900, "sparsity": 0, "ranks": 576, "validation": 0.75, "generalization": 100, \
            "training": 1, "memorization": 100}, {"step": 5070, "sparsity": 0.00011667, "ranks": 431, \
            "validation": 0.7125, "generalization": 95, "training": null, "memorization": null}]},
            """
        #expect(json.contains(", \(expected)\n"))
        #expect(json.contains("\"trueParametersInitial\": 332352, \"trueParametersFinal\": 290000, "))
        #expect(try JSONSerialization.jsonObject(with: Data(json.utf8)) is [[String: Any]])
    }

    @Test func `what others wrote changes no terminal`() {
        let run = RunReport.Run(sweep: "s", backbone: "b\u{1b}[2J", name: "rte/a\nb/0", result: self.runs[0].result)
        let text = RunReport([run]).rendered(as: .terminal)
        #expect(!text.contains("\u{1b}") && text.contains("rte/a b/0"))
    }
}

private func exampleResult(of name: String, task: String, evaluations: [Evaluation]) -> ShardResult {
    ShardResult(
        key: SHA256.hash(name),
        task: task,
        method: "lora",
        seed: 3,
        splitProtocol: .fullDev,
        scored: evaluations[evaluations.count - 1],
        evaluations: evaluations,
        trainingLoss: 0.4,
        steps: 30,
        epochs: 3,
        scoredStep: 30,
        runtimeSeconds: 10,
        samplesPerSecond: 96,
        stepsPerSecond: 3,
        peakMemoryBytes: 3 << 30,
        trainableParametersInitial: 331_776,
        trainableParametersFinal: 294_912,
        headParameters: 770,
        parametersDigest: SHA256.hash("parameters of \(name)"),
        environment: Environment(
            processor: "a processor",
            kernelClass: "a kernel class",
            threads: 1,
            operatingSystem: "an operating system",
            version: "0"
        )
    )
}
