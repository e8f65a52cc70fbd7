import Encoders
import Foundation
import Sweeps
import Synchronization
import Testing
import Training

/// Methods that keep more than parameters and moments, in whole runs of a small shard: two epochs of eight steps.
@Suite struct MethodRunTests {
    static let cases: [(method: String, settings: Settings)] = [
        ("adalora", ["initialRank": .integer(4), "targetRank": .integer(2), "interval": .integer(3)]),
        ("adalora", ["orthogonalForm": .text("squaredSum"), "orthogonalWeight": .number(1e-3)]),
        ("sora", ["l1Weight": .number(1), "sparsity": .number(0.02), "gateLearningRate": .number(0.05)]),
        ("sora", Self.staged(["proximal": .text("paper"), "maximumSparsity": .number(90)])),
        ("sora", Self.staged(["stageLearningRate": .text("spent"), "checkpoint": .text("last")])),
        ("alora", ["prunedRanks": .integer(5), "scaling": .text("current"), "momentReset": .text("all")]),
        ("alora", ["scope": .text("block"), "firstEpochs": .number(0), "roundEpochs": .number(0.001)]),
        ("lora", ["loraDropout": .number(0.3), "orthogonalWeight": .number(0.5)]),
        ("lora", ["selection": .text("loss"), "evaluationInterval": .integer(2), "patience": .integer(3)]),
        ("houlsby", ["placement": .text("linear"), "layerNormTrainable": .flag(true)]),
    ]

    /// Three stages more, of one epoch each.
    private static func staged(_ more: Settings) -> Settings {
        let stages: Settings = [
            "schedule": .text("linear"), "sparsity": .number(1e-3), "maximumSparsity": .number(0.05),
            "stages": .integer(4), "stageEpochs": .integer(1), "rank": .integer(4),
        ]
        return stages.merging(more) { $1 }
    }

    /// Goal: whatever a method keeps is in its checkpoints. Method: a stop before every step, each of them in a new run.
    @Test(arguments: cases)
    func `a stop at every step changes no bit`(method: String, settings: Settings) throws {
        let shard = try SmallShard()
        let order = try shard.order(method: method, threads: 2, settings)
        let (whole, events) = try shard.train(order, name: "whole")
        let (stopped, _) = try shard.train(
            order,
            stopsAfter: [0] + Array(repeating: 1, count: whole.steps),
            name: "stopped"
        )
        #expect(stopped.difference(from: whole) == nil)
        #expect(stopped.ranks == whole.ranks && stopped.stages == whole.stages)
        let losses = events.compactMap { event in if case .step(let step) = event { step } else { nil } }
        #expect(losses.allSatisfy { $0.taskLoss != nil })
        let hasPenalty = losses.contains { $0.loss > ($0.taskLoss ?? 0) }
        let given = ["orthogonalWeight", "l1Weight"].contains { settings[$0] != nil }
        #expect(hasPenalty == (method == "adalora" || given))
    }

    /// Goal: SoRA's schedule is that of its release. Method: four stages, the first left at its best.
    @Test func `stages go on from the best of the first, sparser and sparser`() throws {
        let shard = try SmallShard()
        // So small a rate leaves the accuracy as it is, and of equals the first is the best.
        let settings = Self.staged([
            "checkpoint": .text("best"), "learningRate": .number(1e-9), "stageLearningRate": .text("spent"),
        ])
        let (result, events) = try shard.train(shard.order(method: "sora", settings), name: "run")
        let steps = events.compactMap { event in if case .step(let step) = event { step } else { nil } }
        #expect(result.steps == 16 + 3 * 8 && steps.suffix(24).allSatisfy { $0.learningRate == 0 })
        let stages = try #require(result.stages)
        #expect(stages.map(\.step) == [16, 24, 32, 40])
        for (stage, sparsity) in zip(stages, [0.001, 0.0173333, 0.0336667, 0.05]) {
            #expect(abs(stage.sparsity - sparsity) < 1e-6)
        }
        #expect(stages.map(\.ranks) == stages.map(\.ranks).sorted(by: >) && stages[0].ranks > stages[3].ranks)
        #expect(stages[0].generalization == 100 && stages[0].memorization == 100)
        #expect(result.scoredStep == 40, "stages are scored as they end")
        // Gates shrink by a stage's sparsity at each step, from those of the first stage's best, step 8.
        let kept = try #require(result.ranks).reduce(0) { $0 + $1.final }
        #expect(kept == stages[3].ranks)
        let (first, _) = try shard.train(
            shard.order(
                method: "sora",
                settings.merging(["stages": .integer(2), "maximumSteps": .integer(16)]) { $1 }
            ),
            name: "first"
        )
        #expect(first.scoredStep == 8 && first.stages?.count == 1, "a run that ends with its first stage has its best")
    }

    @Test func `AdaLoRA ends with its final budget, and the log says what it keeps`() throws {
        let shard = try SmallShard()
        let order = try shard.order(method: "adalora", ["initialRank": .integer(4), "targetRank": .integer(2)])
        let log = shard.folder + "/ranks.jsonl"
        let (result, _) = try shard.train(order, ranksFile: log, name: "run")
        let ranks = try #require(result.ranks)
        #expect(ranks.count == 12 && ranks.allSatisfy { $0.initial == 4 })
        #expect(ranks.reduce(0) { $0 + $1.final } == 24)
        struct Line: Decodable {
            let step: Int
            let kept: [String: [Int]]
        }
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
        #expect(lines.map(\.step) == Array(1...16))
        for layer in ranks where layer.layer == "query" {
            let kept = lines[15].kept["encoder.layer.\(layer.block).attention.self.query"]
            #expect(kept?.count == layer.final)
        }
        // A and B of 24 triplets, and one more number each.
        let final = ranks.reduce(0) { $0 + $1.final * ($1.layer == "intermediate" || $1.layer == "output" ? 96 : 64) }
        #expect(result.trainableParametersFinal == final && result.trueParametersFinal == final + 24)
        #expect(result.trainableParametersInitial == 4 * 2 * (4 * 64 + 2 * 96))
        #expect(result.parameters(by: .true) == final + 24 && result.parameters(by: .published) == final)
    }

    /// Goal: a stop while ranks are ablated leaves the shard as if nothing had begun.
    /// Method: stopped at several questions of one re-allocation, among them one with a gate shut.
    @Test(arguments: [1, 2, 3, 40]) func `ablation can be stopped anywhere`(questions: Int) throws {
        let shard = try SmallShard()
        var order = try shard.order(method: "alora")
        let (whole, _) = try shard.train(order, name: "whole")
        let steps = Mutex(0)
        let asked = Mutex(0)
        let events = Mutex([TrainerEvent]())
        let run = try TrainingRun(
            order,
            folder: shard.folder + "/stopped",
            environment: whole.environment,
            emit: { event in
                if case .step(let step) = event { steps.withLock { $0 = step.step } }
                events.withLock { $0.append(event) }
            },
            isStopping: {
                guard steps.withLock({ $0 }) == 8, case .evaluated = events.withLock(\.last) else { return false }
                return asked.withLock {
                    $0 += 1
                    return $0 > questions
                }
            }
        )
        guard case .interrupted = try run.run(), case .checkpointed(let checkpoint) = events.withLock(\.last) else {
            throw TestFailure("it was not stopped")
        }
        #expect(checkpoint.step == 8)
        order.resume = shard.folder + "/stopped/" + checkpoint.file
        let (resumed, _) = try shard.train(order, name: "resumed")
        #expect(resumed.difference(from: whole) == nil)
    }

    @Test func `ALoRA moves ranks and keeps their number`() throws {
        let shard = try SmallShard()
        let (result, _) = try shard.train(shard.order(method: "alora"), name: "run")
        let ranks = try #require(result.ranks)
        #expect(ranks.reduce(0) { $0 + $1.final } == 12 * 8)
        #expect(Set(ranks.map(\.final)).count > 1)
        let error = #expect(throws: TrainingFailure.self) {
            try shard.train(shard.order(method: "alora", ["rounds": .integer(8)]), name: "short")
        }
        #expect(error?.kind == .badInput)
    }

    @Test func `patience ends a run, and its best evaluation is scored`() throws {
        let shard = try SmallShard()
        let settings: Settings = [
            "selection": .text("loss"), "learningRate": .number(0.5), "evaluationInterval": .integer(1),
            "patience": .integer(3), "checkpoint": .text("best"),
        ]
        let (result, _) = try shard.train(shard.order(method: "bitfit", settings), name: "run")
        let losses = result.evaluations.filter { $0.split == "validation" }.map(\.loss)
        let lowest = try #require(losses.min())
        let best = try #require(losses.firstIndex(of: lowest))
        #expect(result.steps < 16 && result.plannedSteps == 16)
        #expect(losses.count == best + 1 + 3 && result.scoredStep == best + 1)
    }

    /// Goal: no checkpoint is larger than the room that is kept for it, nor memory smaller than a method's state.
    @Test(arguments: MethodDescription.all.map(\.name))
    func `a method's checkpoints fit into their estimate`(method: String) throws {
        let shard = try SmallShard()
        let order = try shard.order(method: method, ["checkpoint": .text("best"), "epochs": .integer(3)])
        let configuration = try EncoderConfiguration(folder: order.backboneFolder)
        let task = try TaskDescription.named("offline")
        let (_, events) = try shard.train(order, stopsAfter: [12], name: "run")
        let checkpoints = try events.compactMap { event -> Int? in
            guard case .checkpointed(let checkpoint) = event, checkpoint.kind == .last else { return nil }
            let file = Array(try Data(contentsOf: URL(filePath: shard.folder + "/run/" + checkpoint.file)))
            return try CheckpointContainer.unpack(file, limitBytes: 1 << 26).count
        }
        func bytes(_ settings: Settings) -> Int {
            estimatedCheckpointBytes(configuration, method: method, settings: settings, labels: task.labels)
        }
        let estimate = bytes(order.shard.settings)
        let largest = try #require(checkpoints.max())
        #expect(largest <= estimate && estimate < largest + (256 << 10))
    }

    @Test func `the head's own dropout is told apart from the encoder's`() throws {
        let shard = try SmallShard()
        func losses(_ settings: Settings) throws -> [Double] {
            let order = try shard.order(method: "lora", settings.merging(["maximumSteps": .integer(3)]) { $1 })
            return try shard.train(order, name: "run").0.evaluations.map(\.loss)
        }
        let none = try losses(["dropout": .number(0)])
        #expect(try losses(["dropout": .number(0), "classifierDropout": .number(0)]) == none)
        #expect(try losses(["dropout": .number(0), "classifierDropout": .number(0.5)]) != none)
    }

    @Test func `a checkpoint from before there were stages is taken up`() throws {
        let shard = try SmallShard()
        var order = try shard.order(method: "lora")
        let (whole, _) = try shard.train(order, name: "whole")
        order.checkpointSeconds = 0
        let (_, events) = try shard.train(order, name: "checkpoints")
        let files = events.compactMap { event in
            if case .checkpointed(let checkpoint) = event, checkpoint.kind == .last { checkpoint.file } else { nil }
        }
        let path = try shard.folder + "/checkpoints/" + #require(files.last)
        let raw = try CheckpointContainer.unpack(Array(try Data(contentsOf: URL(filePath: path))), limitBytes: 1 << 26)
        #expect(String(decoding: raw.prefix(4096), as: UTF8.self).contains("\\\"stages\\\"") == false)
        order.resume = path
        let (resumed, _) = try shard.train(order, name: "resumed")
        #expect(resumed.parametersDigest == whole.parametersDigest)
    }
}
