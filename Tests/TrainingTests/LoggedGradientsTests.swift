import Encoders
import Foundation
import Sweeps
import TestSupport
import Testing
import Training

@Suite struct LoggedGradientsTests {
    private static let golden = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "../EncodersTests/Golden")

    /// One step at a time, of what was last loaded.
    private static let settings: Settings = [
        "maximumSteps": .integer(1), "learningRate": .number(0), "dropout": .number(0), "shuffle": .flag(false),
    ]

    private func firstLoss(_ events: [TrainerEvent]) throws -> Double {
        for case .step(let step) in events { return step.loss }
        throw TestFailure("no step was taken")
    }

    /// Goal: the file holds the gradients of the step's mean loss.
    /// Method: of each tensor, the slope of the loss along its gradient must be the gradient's norm. The loss is that of
    /// the first step of runs that start from parameters moved along it, forth and back.
    @Test(arguments: ["full", "lora", "bitfit"])
    func `logged gradients are the slope of the first step's loss`(method: String) async throws {
        try await apart { try self.checkSlopes(method) }
    }

    private func checkSlopes(_ method: String) throws {
        let shard = try SmallShard()
        let order = try shard.order(method: method, Self.settings)
        let file = shard.folder + "/gradients.safetensors"
        _ = try shard.train(order, gradientsFile: file, name: "run")
        let (gradients, start) = (
            try Safetensors(path: file), try Safetensors(path: shard.folder + "/run/parameters.safetensors")
        )
        let initial = shard.folder + "/moved"
        try FileManager.default.createDirectory(atPath: initial, withIntermediateDirectories: true)
        func loss(moving name: String, along direction: [Float]) throws -> Double {
            var writer = SafetensorsWriter()
            for (other, tensor) in start.tensors {
                var values = Array(try start.floats(other))
                if other == name { for i in values.indices { values[i] += direction[i] } }
                values.withUnsafeBufferPointer { writer.add(other, shape: tensor.shape, $0) }
            }
            try Data(try writer.bytes()).write(to: URL(filePath: initial + "/parameters.safetensors"))
            return try self.firstLoss(try shard.train(order, initial: initial, name: "moved-run").1)
        }
        let names = start.tensors.keys.sorted()
        #expect(gradients.tensors.count == names.count)
        var checked = 0
        for name in names {
            let published = name.hasPrefix("classifier.") ? name : "bert." + name
            #expect(gradients.tensors[published]?.shape == start.tensors[name]?.shape)
            let gradient = Array(try gradients.floats(published))
            let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            // Key biases and A beside a B of zeros have none.
            guard norm > 1e-3 else { continue }
            checked += 1
            let width = 0.01
            let direction = gradient.map { Float(Double($0) / norm * width) }
            let slope =
                (try loss(moving: name, along: direction) - loss(moving: name, along: direction.map { -$0 }))
                / (2 * width)
            #expect(abs(slope - norm) < 0.02 * norm + 2e-4, "\(name): \(slope), \(norm)")
        }
        #expect(checked > names.count / 3, "\(checked) of \(names.count)")
    }

    /// Goal: the names are those of transformers.
    /// Method: the files of the encoders' tests were written by transformers; an encoder like theirs is trained.
    @Test(arguments: ["roberta", "deberta-v3", "deberta-convolution"])
    func `logged gradients have the names of transformers`(name: String) throws {
        let golden = Self.golden.appending(path: name)
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: golden.appending(path: "config.json")))
        let shard = try SmallShard(configuration: try #require(object as? [String: Any]))
        let file = shard.folder + "/gradients.safetensors"
        _ = try shard.train(try shard.order(method: "full", Self.settings), gradientsFile: file, name: "run")
        let expected = try Safetensors(path: golden.appending(path: "model.safetensors").path).tensors.keys
        #expect(Set(try Safetensors(path: file).tensors.keys) == Set(expected))
    }

    /// Goal: logging changes nothing that is trained, and is of one step.
    @Test func `a run that logs its gradients has the bits of one that does not`() throws {
        let shard = try SmallShard()
        let order = try shard.order(method: "lora")
        let (plain, _) = try shard.train(order, name: "plain")
        let file = shard.folder + "/gradients.safetensors"
        let (logged, _) = try shard.train(order, gradientsFile: file, name: "logged")
        #expect(plain.parametersDigest == logged.parametersDigest)
        let gradients = try Safetensors(path: file)
        #expect(gradients.tensors["bert.encoder.layer.1.output.dense.lora_B.weight"]?.shape == [32, 8])
        #expect(throws: (any Error).self) {
            try shard.train(order, gradientsFile: shard.folder + "/missing/gradients.safetensors", name: "refused")
        }
    }
}
