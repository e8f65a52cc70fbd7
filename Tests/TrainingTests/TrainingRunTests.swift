import Digests
import Encoders
import Foundation
import Sweeps
import Synchronization
import Tasks
import Tensors
import Testing
import Training

/// A small random encoder on the generated task, in a folder of its own that goes with the value.
final class SmallShard {
    let folder: String

    /// - Parameter configuration: of another encoder; its vocabulary becomes the task's.
    init(configuration other: [String: Any]? = nil) throws {
        self.folder = FileManager.default.temporaryDirectory.path + "/quintet-training-\(UUID().uuidString)"
        let backbone = self.folder + "/backbone"
        for path in [backbone, self.folder + "/offline"] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        for (name, text) in OfflineTask.files() {
            try Data(text.utf8).write(to: URL(filePath: self.folder + "/offline/" + name))
        }
        let vocabulary = OfflineTask.vocabulary
        try Data(vocabulary.joined(separator: "\n").utf8).write(to: URL(filePath: backbone + "/vocab.txt"))
        var configuration: [String: Any] =
            other ?? [
                "model_type": "bert", "hidden_act": "gelu", "hidden_size": 32, "num_hidden_layers": 2,
                "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64, "type_vocab_size": 2,
            ]
        configuration["vocab_size"] = vocabulary.count
        try JSONSerialization.data(withJSONObject: configuration).write(to: URL(filePath: backbone + "/config.json"))
        var writer = SafetensorsWriter()
        for declaration in try EncoderConfiguration(folder: backbone).declarations(trains: { _ in false }) {
            let isScale = declaration.name.hasSuffix("LayerNorm.weight")
            var values = [Float](repeating: 1, count: declaration.count)
            if !isScale {
                values.withUnsafeMutableBufferPointer {
                    RandomStream(seed: 1, stream: UInt32(declaration.count)).normal(deviation: 0.1, into: $0)
                }
            }
            values.withUnsafeBufferPointer { writer.add(declaration.name, shape: declaration.shape, $0) }
        }
        [Float(0)].withUnsafeBufferPointer { writer.add("cls.predictions.bias", shape: [1], $0) }
        try Data(try writer.bytes()).write(to: URL(filePath: backbone + "/model.safetensors"))
    }

    deinit { try? FileManager.default.removeItem(atPath: self.folder) }

    func order(
        method: String,
        task: String = "offline",
        seed: Int = 0,
        threads: Int = 1,
        _ settings: Settings = [:]
    ) throws -> TrainerOrder {
        let defaults: Settings = [
            "epochs": .integer(2), "batchSize": .integer(8), "trainingExamples": .integer(60),
            "learningRate": .number(1e-3),
            "evaluationExamples": .integer(40), "maximumLength": .integer(32), "protocol": .text("soraSplit42"),
        ]
        // As many re-allocations as two epochs of eight steps have room for.
        let own: Settings = method == "alora" ? ["rounds": .integer(3), "importanceExamples": .integer(4)] : [:]
        let given = defaults.merging(own) { $1 }.merging(settings) { $1 }
        let resolved = try MethodDescription.named(method).resolve(given)
        return TrainerOrder(
            shard: try Shard(
                backbone: SHA256.hash("backbone"),
                data: SHA256.hash("data"),
                task: task,
                method: method,
                settings: resolved,
                seed: seed
            ),
            backboneFolder: self.folder + "/backbone",
            dataFolder: self.folder,
            threads: threads,
            checkpointSeconds: 1e9
        )
    }

    /// Trains, and stops whenever the number of steps done in this process is in `stops`, to go on in a new run.
    func train(
        _ order: TrainerOrder,
        stopsAfter stops: [Int] = [],
        initial: String? = nil,
        gradientsFile: String? = nil,
        ranksFile: String? = nil,
        logitsFile: String? = nil,
        name: String
    ) throws -> (ShardResult, [TrainerEvent]) {
        var (order, events, stops) = (order, [TrainerEvent](), stops[...])
        let environment = Environment(processor: "p", kernelClass: "k", threads: 1, operatingSystem: "o", version: "v")
        let folder = self.folder + "/" + name
        while true {
            let steps = Mutex(0)
            let limit = stops.popFirst()
            let run = try TrainingRun(
                order,
                folder: folder,
                initial: initial,
                logs: try TrainingLogs(
                    gradientsFile: gradientsFile,
                    ranksFile: ranksFile,
                    logitsFile: logitsFile
                ),
                environment: environment,
                emit: { event in
                    if case .step = event { steps.withLock { $0 += 1 } }
                    events.append(event)
                },
                isStopping: { limit.map { limit in steps.withLock { $0 >= limit } } ?? false }
            )
            switch try run.run() {
            case .finished(let result): return (result, events)
            case .interrupted:
                guard case .checkpointed(let checkpoint) = events.last else {
                    throw TestFailure("no checkpoint was left")
                }
                order.resume = folder + "/" + checkpoint.file
            }
        }
    }
}

struct TestFailure: Error {
    let message: String
    init(_ message: String) { self.message = message }
}

@Suite struct TrainingRunTests {
    /// Goal: a shard's parameters have the same bits however it was run.
    /// Method: one run on one thread; then on more threads, and stopped after 0, 1, 5 and more steps, at the first
    /// epoch's end (before its evaluation) among them.
    @Test(arguments: MethodDescription.all.map(\.name), ["best", "last"])
    func `the same shard gives the same bits, on any threads and after any stops`(method: String, checkpoint: String)
        throws
    {
        let shard = try SmallShard()
        let settings: Settings = ["checkpoint": .text(checkpoint)]
        let (result, _) = try shard.train(shard.order(method: method, settings), name: "whole")
        #expect(result.steps == 16)
        let (threaded, _) = try shard.train(shard.order(method: method, threads: 3, settings), name: "threaded")
        #expect(threaded.parametersDigest == result.parametersDigest)
        let (stopped, _) = try shard.train(
            shard.order(method: method, settings),
            stopsAfter: [0, 1, 5, 2, 0, 3],
            name: "stopped"
        )
        #expect(stopped.parametersDigest == result.parametersDigest)
        #expect(stopped.scored.metrics == result.scored.metrics)
        #expect(stopped.scored.loss == result.scored.loss)
        #expect(stopped.trainingLoss == result.trainingLoss)
        #expect(stopped.evaluations.map(\.loss) == result.evaluations.map(\.loss))
        let (other, _) = try shard.train(shard.order(method: method, seed: 1, settings), name: "other")
        #expect(other.parametersDigest != result.parametersDigest)
    }

    @Test func `events tell the whole story, and what is scored at the end is scored once`() throws {
        let shard = try SmallShard()
        let (result, events) = try shard.train(shard.order(method: "lora"), name: "run")
        guard case .started(let started) = events.first else { throw TestFailure("the first event is \(events[0])") }
        #expect(started.steps == 16 && started.step == 0 && started.key == result.key)
        #expect(started.skippedTensors == ["cls.predictions.bias"])
        #expect(started.initialisedTensors?.suffix(2) == ["classifier.weight", "classifier.bias"])
        let steps = events.compactMap { event in if case .step(let step) = event { step.step } else { nil } }
        #expect(steps == Array(1...16))
        let splits = events.compactMap { event in
            if case .evaluated(let evaluation) = event { evaluation.split } else { nil }
        }
        #expect(splits == ["validation", "validation", "train", "test"])
        #expect(result.evaluations.map(\.samples) == [40, 40, 40, 40])
        #expect(result.evaluations.suffix(2).allSatisfy { $0.step == result.scoredStep })
        #expect(result.evaluations.map(\.split) == splits)
        #expect(events.last == .finished(result))
        #expect(result.scored.split == "test")
        for evaluation in result.evaluations {
            let memory = try #require(evaluation.memory)
            #expect(memory.beforeBytes > 0 && memory.afterBytes > 0)
            #expect(memory.peakBytes >= memory.afterBytes)
        }
        #expect(result.headParameters == 32 * 32 + 32 + 2 * 32 + 2)
    }

    /// Goal: a stop while the scored parameters are scored loses nothing and changes nothing.
    /// Method: stopped before the training sample and before the test split, with other parameters scored than the last.
    @Test(arguments: ["validation", "train"]) func `scoring can be stopped`(lastSplit: String) throws {
        let shard = try SmallShard()
        // So small a rate leaves the accuracy as it is, and of equals the first is the best.
        var order = try shard.order(method: "lora", ["checkpoint": .text("best"), "learningRate": .number(1e-9)])
        let (whole, _) = try shard.train(order, name: "whole")
        #expect(whole.scoredStep == 8)
        let events = Mutex([TrainerEvent]())
        let run = try TrainingRun(
            order,
            folder: shard.folder + "/stopped",
            environment: whole.environment,
            emit: { event in events.withLock { $0.append(event) } },
            isStopping: {
                events.withLock { events in
                    guard case .evaluated(let evaluation) = events.last else { return false }
                    return evaluation.split == lastSplit && (lastSplit == "train" || evaluation.step == whole.steps)
                }
            }
        )
        guard case .interrupted = try run.run(), case .checkpointed(let checkpoint) = events.withLock(\.last) else {
            throw TestFailure("it was not stopped")
        }
        order.resume = shard.folder + "/stopped/" + checkpoint.file
        let (resumed, _) = try shard.train(order, name: "resumed")
        #expect(resumed.evaluations.map(\.split) == ["validation", "validation", "train", "test"])
        #expect(resumed.difference(from: whole) == nil)
    }

    @Test func `a head that is not trained stays as it begins, and what is below it learns`() throws {
        let shard = try SmallShard()
        let frozen: Settings = ["headTrainable": .flag(false)]
        let (result, _) = try shard.train(shard.order(method: "lora", frozen), name: "run")
        #expect(result.headParameters == 0 && result.trainableParametersInitial > 0)
        let names = try Safetensors(path: shard.folder + "/run/parameters.safetensors").tensors.keys
        #expect(!names.isEmpty && names.allSatisfy { $0.contains(".lora_") })
        let losses = result.evaluations.filter { $0.split == "validation" }.map(\.loss)
        #expect(Set(losses).count == losses.count)
    }

    @Test func `the generated task is learned`() throws {
        let shard = try SmallShard()
        let (result, _) = try shard.train(
            shard.order(method: "full", ["epochs": .integer(6), "trainingExamples": .integer(400)]),
            name: "run"
        )
        #expect(result.scored.metrics[.accuracy] ?? 0 > 0.8)
    }

    /// Goal: what was scored can be run on other rows. Method: on the rows that were scored, it scores the same.
    @Test func `scored parameters predict as they were scored`() throws {
        let shard = try SmallShard()
        let settings: Settings = ["protocol": .text("official"), "evaluationExamples": .integer(200)]
        let order = try shard.order(method: "lora", settings)
        let logged = shard.folder + "/logits.jsonl"
        let (result, _) = try shard.train(order, logitsFile: logged, name: "run")
        #expect(result.scored.split == "validation")
        let task = try TaskDescription.named("offline")
        let trained = try TrainedModel(
            order.shard,
            backboneFolder: order.backboneFolder,
            parameters: try Safetensors(path: shard.folder + "/run/parameters.safetensors")
        )
        let dev = try TaskFiles(task: task, folder: shard.folder).examples(.dev)
        let predictions = trained.predict(dev, threads: 2)
        #expect(score(predictions, against: dev.map(\.label), for: task) == result.scored.metrics)
        #expect(try trained.logits(dev, threads: 2) == [UInt8](try Data(contentsOf: URL(filePath: logged))))
    }

    /// Goal: `initial` brings every trainable parameter.
    /// Method: a run with learning rate 0 ends with the parameters that it started from.
    @Test func `training starts from saved parameters`() throws {
        let shard = try SmallShard()
        _ = try shard.train(shard.order(method: "lora"), name: "first")
        let first = try Safetensors(path: shard.folder + "/first/parameters.safetensors")
        let still: Settings = ["learningRate": .number(0), "maximumSteps": .integer(2)]
        let initial = shard.folder + "/first"
        _ = try shard.train(shard.order(method: "lora", seed: 5, still), initial: initial, name: "own")
        let second = try Safetensors(path: shard.folder + "/own/parameters.safetensors")
        #expect(Set(second.tensors.keys) == Set(first.tensors.keys))
        for tensor in first.tensors.keys {
            #expect(try Array(second.floats(tensor)) == Array(first.floats(tensor)), "\(tensor)")
        }
        for (method, folder) in [("bitfit", initial), ("lora", shard.folder)] {
            #expect(throws: BackboneError.self) {
                try shard.train(shard.order(method: method), initial: folder, name: "other")
            }
        }
    }

    @Test func `a checkpoint of another shard is refused`() throws {
        let shard = try SmallShard()
        var order = try shard.order(method: "bitfit", ["maximumSteps": .integer(2)])
        order.checkpointSeconds = 0
        let (_, events) = try shard.train(order, name: "run")
        let file = events.compactMap { event in
            if case .checkpointed(let checkpoint) = event, checkpoint.kind == .last { checkpoint.file } else { nil }
        }.last
        var other = try shard.order(method: "bitfit", seed: 7)
        other.resume = try shard.folder + "/run/" + #require(file)
        #expect(throws: CheckpointError.self) { try shard.train(other, name: "other") }
    }

    @Test func `a loss that is no number ends the run as diverged`() throws {
        let shard = try SmallShard()
        let order = try shard.order(
            method: "full",
            ["learningRate": .number(1e3), "gradientClip": .number(0), "weightDecay": .number(1e3)]
        )
        do {
            _ = try shard.train(order, name: "run")
            Issue.record("training did not diverge")
        } catch let failure as TrainingFailure {
            #expect(failure.kind == .diverged)
        }
    }

    @Test func `wrong files are told with their names`() throws {
        let shard = try SmallShard()
        var order = try shard.order(method: "full", ["maximumLength": .integer(128)])
        #expect(throws: TrainingFailure.self) { try shard.train(order, name: "long") }
        order = try shard.order(method: "full")
        let weights = URL(filePath: shard.folder + "/backbone/model.safetensors")
        let whole = try Data(contentsOf: weights)
        try whole.dropLast(100).write(to: weights)
        let error = #expect(throws: BackboneError.self) { try shard.train(order, name: "cut") }
        #expect(error?.description.contains("model.safetensors") == true)
        try FileManager.default.removeItem(at: weights)
        #expect(throws: BackboneError.self) { try shard.train(order, name: "missing") }
    }
}
