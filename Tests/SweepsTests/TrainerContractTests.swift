import Digests
import Foundation
import Sweeps
import Testing

@Suite struct TrainerContractTests {
    private static let evaluation = Evaluation(
        split: "validation",
        step: 12,
        epoch: 1.5,
        loss: 0.25,
        metrics: [.accuracy: 0.75, .f1: 0.5],
        runtimeSeconds: 2,
        samples: 100,
        steps: 4,
        memory: .init(beforeBytes: 1 << 20, afterBytes: 2 << 20, peakBytes: 3 << 20)
    )

    private static let result = ShardResult(
        key: SHA256.hash("key"),
        task: "mrpc",
        method: "lora",
        seed: 3,
        splitProtocol: .soraSplit42,
        scored: evaluation,
        evaluations: [evaluation],
        trainingLoss: 0.1,
        steps: 12,
        epochs: 1.5,
        scoredStep: 12,
        runtimeSeconds: 9.5,
        samplesPerSecond: 40,
        stepsPerSecond: 1.25,
        peakMemoryBytes: 1 << 30,
        trainableParametersInitial: 10,
        trainableParametersFinal: 8,
        headParameters: 2,
        parametersDigest: SHA256.hash("parameters"),
        environment: Environment(
            processor: "p",
            kernelClass: "k",
            threads: 2,
            operatingSystem: "o",
            version: "v"
        )
    )

    static let events: [(name: String, event: TrainerEvent)] = [
        (
            "started",
            .started(.init(key: SHA256.hash("key"), step: 0, steps: 47, trainableParameters: 10, kernelClass: "k"))
        ),
        ("step", .step(.init(step: 1, steps: 47, loss: 0.5, learningRate: 1e-3, samplesPerSecond: 40))),
        ("evaluated", .evaluated(evaluation)),
        (
            "checkpointed",
            .checkpointed(
                .init(
                    kind: .best,
                    step: 12,
                    file: "best",
                    bytes: 99,
                    digest: SHA256.hash("stored"),
                    rawDigest: SHA256.hash("raw")
                )
            )
        ),
        ("finished", .finished(result)),
        ("failed", .failed(.init(kind: .diverged, message: "the loss is nan"))),
    ]

    /// Goal: what one process says another reads, and `event` names it: other programs may be trainers.
    @Test(arguments: 0..<events.count)
    func `an event goes through JSON unchanged`(index: Int) throws {
        let (name, event) = Self.events[index]
        let data = try JSONEncoder().encode(event)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(object["event"] as? String == name)
        #expect(try JSONDecoder().decode(TrainerEvent.self, from: data) == event)
    }

    @Test func `a step is the line that the contract shows`() throws {
        let line = #"{"event":"step","step":3,"steps":47,"loss":0.5,"learningRate":0.001,"samplesPerSecond":41.5}"#
        let event = try JSONDecoder().decode(TrainerEvent.self, from: Data(line.utf8))
        #expect(event == .step(.init(step: 3, steps: 47, loss: 0.5, learningRate: 0.001, samplesPerSecond: 41.5)))
    }

    @Test(arguments: [#"{"event":"dance"}"#, #"{"step":3}"#, #"{"event":"step","step":3}"#, "[]", ""])
    func `a line that is no event is refused`(line: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(TrainerEvent.self, from: Data(line.utf8)) }
    }

    @Test func `a result goes through JSON unchanged, metrics by name`() throws {
        let data = try JSONEncoder().encode(Self.result)
        #expect(try JSONDecoder().decode(ShardResult.self, from: data) == Self.result)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let scored = try #require(object["scored"] as? [String: Any])
        #expect(scored["metrics"] as? [String: Double] == ["accuracy": 0.75, "f1": 0.5])
    }

    @Test func `an evaluation of an older program has no memory`() throws {
        let line = #"""
            {"epoch":3,"loss":0.5,"metrics":{"accuracy":0.75},"runtimeSeconds":2,"samples":100,"samplesPerSecond":50,\#
            "split":"validation","step":12,"stepsPerSecond":2}
            """#
        let evaluation = try JSONDecoder().decode(Evaluation.self, from: Data(line.utf8))
        #expect(evaluation.memory == nil && evaluation.samples == 100)
    }

    /// Goal: two runs of one shard may take different time and memory.
    @Test func `memory is no difference`() {
        var other = Self.result
        other.evaluations[0].memory = nil
        other.scored.memory?.peakBytes = 7
        #expect(Self.result.difference(from: other) == nil)
        other.evaluations[0].loss = 0.5
        #expect(Self.result.difference(from: other) == "loss at step 12: 0.25 and 0.5")
    }

    @Test func `an order goes through JSON unchanged`() throws {
        let shard = try Shard(
            backbone: SHA256.hash("b"),
            data: SHA256.hash("d"),
            task: "rte",
            method: "lora",
            settings: try MethodDescription.named("lora").resolve([:]),
            seed: 1
        )
        let order = TrainerOrder(
            shard: shard,
            backboneFolder: "backbone",
            dataFolder: "data",
            threads: 2,
            checkpointSeconds: 30,
            resume: "last"
        )
        #expect(try JSONDecoder().decode(TrainerOrder.self, from: JSONEncoder().encode(order)) == order)
    }

    @Test func `rates follow from counts and seconds, and no time is no division by zero`() {
        #expect(Self.evaluation.samplesPerSecond == 50)
        #expect(Self.evaluation.stepsPerSecond == 2)
        let instant = Evaluation(
            split: "test",
            step: 0,
            epoch: 0,
            loss: 0,
            metrics: [:],
            runtimeSeconds: 0,
            samples: 1,
            steps: 1
        )
        #expect(instant.samplesPerSecond.isFinite)
    }

    @Test func `only what would fail again anywhere is not tried again`() {
        #expect(FailureKind.allCases.filter(\.isDeterministic) == [.diverged, .badInput])
    }
}
