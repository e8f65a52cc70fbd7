import Adapters
import Encoders
import Foundation
import Layers
import Sweeps
import Tasks
import Tensors
import Testing
import Tokenizers

@testable import Training

/// Sixty steps of a method on a small random BERT, which PEFT or a small reference took in float64
/// (`Tests/Reference/make_method_golden.py`).
private struct GoldenTrajectory {
    static let folder = String(#filePath.dropLast("MethodTrajectoryTests.swift".count)) + "Golden"
    static let names = [
        "lora-peft", "lora-orthogonal", "lora-orthogonal-fresh", "adalora-peft", "adalora-interval5",
        "adalora-interval7", "adalora-squared", "sora-repo", "sora-released", "sora-paper", "sora-multiply",
        "houlsby-sublayer", "houlsby-norms", "houlsby-linear", "pfeiffer-normed",
    ]

    private struct Case: Decodable {
        let method: String
        let settings: Settings
    }

    let file: Safetensors
    let model: Model
    let optimization: Optimization
    private let steps: [[EncodedExample]]

    init(_ name: String) throws {
        self.file = try Safetensors(path: "\(Self.folder)/\(name).safetensors")
        let golden = try JSONDecoder().decode(Case.self, from: Data(try #require(self.file.metadata["case"]).utf8))
        let settings = try MethodDescription.named(golden.method).resolve(golden.settings)
        let (method, hyperparameters) = (fineTuningMethod(golden.method, settings: settings), Hyperparameters(settings))
        self.model = try Model(
            folder: Self.folder,
            method: method,
            head: .sequence(outputs: 2),
            hyperparameters: hyperparameters,
            seed: 0
        )
        try self.model.store.load(self.file)
        let batches = try Safetensors(path: Self.folder + "/batches.safetensors")
        self.steps = try Self.examples(batches, perStep: hyperparameters.batchSize)
        self.optimization = Optimization(
            hyperparameters,
            method: method,
            parameters: self.model.store.values.columns,
            examples: self.steps.joined().count
        )
    }

    private static func examples(_ batches: Safetensors, perStep: Int) throws -> [[EncodedExample]] {
        var ids = try batches.integers("input_ids").map { Int32($0) }[...]
        let labels = try batches.integers("labels").map { Int($0) }
        let all = try zip(batches.integers("lengths"), labels).map { length, label in
            let sequence = Array(ids.prefix(Int(length)))
            ids = ids.dropFirst(Int(length))
            return EncodedExample(
                sequences: [Encoding(ids: sequence, typeIDs: sequence.map { _ in 0 })],
                target: .classIndex(label),
                label: .classIndex(label),
                group: 0,
                subject: .example
            )
        }
        return stride(from: 0, to: all.count, by: perStep).map { Array(all[$0..<$0 + perStep]) }
    }

    /// - Parameter each: is told after each step what was minimised and the task's part of it.
    func train(threads: Int, each: (_ step: Int, _ loss: Double, _ taskLoss: Double) throws -> Void) throws {
        let (team, arena) = (Team(threads: threads), Arena())
        let task = try TaskDescription.named("sst-2")
        for (index, examples) in self.steps.enumerated() {
            let accumulation = GradientAccumulation(task: task, network: self.model.network, team: team, arena: arena)
            let sum = accumulation.run(examples, dropout: Dropout(seed: 0, step: index))
            let step = self.optimization.takeStep(index, model: self.model, team: team) { _ in }
            let taskLoss = sum / Double(examples.count)
            try each(index, taskLoss + step.penalty, taskLoss)
        }
    }
}

@Suite struct MethodTrajectoryTests {
    /// Goal: a method's every rule is that of its reference: forward, backward, penalty, clipping, optimisers, learning
    /// rates, pruning. Method: 60 steps from the same values on the same batches; the losses of each and what is kept
    /// after each, and values at the end. The reference is in float64; its own run in float32 stays within a seventh of
    /// these bounds.
    @Test(arguments: GoldenTrajectory.names)
    func `sixty steps of training are those of the reference`(name: String) throws {
        let golden = try GoldenTrajectory(name)
        let (losses, taskLosses) = (try golden.file.floats("loss"), try golden.file.floats("task_loss"))
        #expect(golden.optimization.schedule.steps == 60 && losses.count == 60)
        let kept = try Dictionary(
            uniqueKeysWithValues: golden.file.tensors.keys.filter { $0.hasPrefix("kept.") }.map { key in
                (String(key.dropFirst("kept.".count)), try golden.file.integers(key).map { Int($0) })
            }
        )
        try golden.train(threads: 2) { step, loss, taskLoss in
            #expect(abs(loss / Double(losses[step]) - 1) < 1e-5, "the loss of step \(step)")
            #expect(abs(taskLoss / Double(taskLosses[step]) - 1) < 1e-5, "the task's loss of step \(step)")
            for layer in golden.model.adaptation.keptRanks {
                guard let expected = kept[layer.path] else { continue }
                let rank = expected.count / 60
                let mine = (0..<rank).map { layer.kept.contains($0) ? 1 : 0 }
                #expect(mine == Array(expected[step * rank..<(step + 1) * rank]), "\(layer.path) after step \(step)")
            }
        }
        let finals = golden.file.tensors.keys.filter { $0.hasPrefix("final.") }
        #expect(!finals.isEmpty)
        for key in finals {
            let mine = golden.model.store[String(key.dropFirst("final.".count))].value.values
            let difference = zip(mine, try golden.file.floats(key)).map { abs($0 - $1) }.max() ?? .infinity
            #expect(difference < 1e-5, "\(key)")
        }
        #expect(kept.isEmpty == !(name.hasPrefix("adalora") || name.hasPrefix("sora")))
    }
}
