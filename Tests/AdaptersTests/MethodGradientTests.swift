import Adapters
import Encoders
import Foundation
import Layers
import Sweeps
import Tensors
import Testing

/// A small random encoder of two blocks, with a method on it, in memory alone.
struct SmallNetwork {
    let store: ParameterStore
    let classifier: HeadedEncoder
    let batch: PackedBatch
    let labels = [0, 1, 1]
    let pass: Pass

    /// Every architecture, and DeBERTa with what v3-base has and with everything else.
    static let architectures: [Architecture] = [
        .bert, .roberta,
        .deberta(Deberta(embedding: 16, relative: RelativePositions(buckets: 4, maximum: 16))),
        .deberta(
            Deberta(
                embedding: 8,
                hasPositionTable: true,
                relative: RelativePositions(buckets: 0, maximum: 5),
                normsRelative: false,
                sharesProjections: false,
                convolutionWidth: 3,
                poolerDropout: 0.2
            )
        ),
    ]

    init(
        method name: String,
        settings: Settings = [:],
        dropout: Float,
        threads: Int = 1,
        architecture: Architecture = .bert
    ) throws {
        let description = try MethodDescription.named(name)
        let method = fineTuningMethod(name, settings: try description.resolve(settings))
        var configuration = EncoderConfiguration(
            vocabulary: 30,
            hidden: 16,
            layers: 2,
            heads: 2,
            intermediate: 32,
            positions: 16,
            initializerRange: 0.3,
            architecture: architecture
        )
        configuration = configuration.replacingDropout(dropout)
        let encoder = configuration.declarations(trains: method.trains)
        let head = configuration.headDeclarations(.sequence(outputs: 2)) { name, _ in name.hasPrefix("pooler") }
        self.store = try ParameterStore(
            encoder + method.declarations(configuration) + head,
            backbone: try BackboneWeights(file: try Self.backbone(encoder + head)),
            seed: 1
        )
        let store = self.store
        self.classifier = HeadedEncoder(configuration, head: .sequence(outputs: 2), store: store) {
            method.adapter(block: $0, layer: $1, store: store)
        }
        var batch = PackedBatch()
        for (place, length) in [5, 2, 7].enumerated() {
            // Not 0, the padding, which PyTorch never trains.
            let ids = (0..<length).map { Int32(1 + ($0 * 7 + place * 3) % 29) }
            batch.append(tokenIDs: ids, typeIDs: ids.map { $0 % 2 }, place: place)
        }
        self.batch = batch
        self.pass = Pass(team: Team(threads: threads), arena: Arena(), dropout: Dropout(seed: 3, step: 4))
        // Parameters that start at zero would hide a wrong gradient of their neighbours.
        let values = store.values.mutableView[0]
        let noise = RandomStream(seed: 2, stream: 1)
        for index in values.indices { values[index] += (noise.uniform(at: index) - 0.5) * 0.2 }
    }

    /// Random weights under the names of a backbone's file.
    private static func backbone(_ declarations: [ParameterDeclaration]) throws -> Safetensors {
        var writer = SafetensorsWriter()
        for (index, declaration) in declarations.enumerated() where declaration.source == .backbone {
            var values = [Float](repeating: 0, count: declaration.count)
            values.withUnsafeMutableBufferPointer {
                RandomStream(seed: UInt64(index), stream: 9).normal(deviation: 0.3, into: $0)
            }
            if declaration.name.hasSuffix("LayerNorm.weight") { for i in values.indices { values[i] += 1 } }
            values.withUnsafeBufferPointer { writer.add(declaration.name, shape: declaration.shape, $0) }
        }
        return try Safetensors(path: "in memory", bytes: try writer.bytes())
    }

    func loss() -> Double {
        self.pass.arena.reset()
        let (logits, _) = self.classifier.forward(self.batch, pass: self.pass)
        return Loss.crossEntropy(logits, labels: self.labels, examples: 3, dLogits: nil) / 3
    }

    func accumulateGradients() {
        self.pass.arena.reset()
        let (logits, saved) = self.classifier.forward(self.batch, pass: self.pass)
        let dLogits = self.pass.arena.matrix(rows: logits.rows, columns: logits.columns)
        _ = Loss.crossEntropy(logits, labels: self.labels, examples: 3, dLogits: dLogits)
        self.classifier.backward(dLogits.view, saved: saved, batch: self.batch, pass: self.pass)
    }
}

@Suite struct MethodGradientTests {
    static let cases: [(String, Settings)] =
        MethodDescription.all.map { ($0.name, [:]) } + [
            ("lora", ["rank": .integer(2), "targets": .list(["query", "value"])]),
            ("lora", ["rank": .integer(3), "alpha": .number(1), "targets": .list(["intermediate"])]),
            ("lora", ["initialization": .text("normal")]), ("lora", ["initialization": .text("gaussian")]),
            ("bitfit", ["intermediateBias": .flag(false)]),
        ]

    /// Goal: whatever a method trains, its gradient is that of the loss.
    /// Method: for each trainable tensor the derivative along a fixed random direction, by central differences through
    /// the whole network, dropout included: its numbers are the same at every call.
    @Test(arguments: cases, SmallNetwork.architectures)
    func `gradients match finite differences through the whole network`(
        method: (name: String, settings: Settings),
        architecture: Architecture
    ) throws {
        for dropout in [0, 0.2] as [Float] {
            let network = try SmallNetwork(
                method: method.name,
                settings: method.settings,
                dropout: dropout,
                architecture: architecture
            )
            network.accumulateGradients()
            let (values, gradients) = (network.store.values.mutableView[0], network.store.gradients.view[0])
            #expect(!network.store.trainable.isEmpty)
            for (index, entry) in network.store.trainable.enumerated() {
                let original = Array(values[entry.range])
                var direction = [Float](repeating: 0, count: original.count)
                direction.withUnsafeMutableBufferPointer {
                    RandomStream(seed: UInt64(index), stream: 5).normal(deviation: 1, into: $0)
                }
                let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
                func moved(_ step: Float) -> Double {
                    for i in original.indices {
                        values[entry.range.lowerBound + i] = original[i] + step * direction[i] / length
                    }
                    return network.loss()
                }
                let step: Float = 0.02
                let numerical = (moved(step) - moved(-step)) / Double(2 * step)
                _ = moved(0)
                let analytic = zip(gradients[entry.range], direction).reduce(0.0) { $0 + Double($1.0 * $1.1 / length) }
                let largest = gradients[entry.range].reduce(0) { $0 + $1 * $1 }.squareRoot()
                #expect(
                    abs(numerical - analytic) < 0.02 * Double(largest) + 2e-4,
                    "\(entry.declaration.name), dropout \(dropout): \(numerical) by differences, \(analytic) by backward"
                )
            }
        }
    }

    @Test(arguments: MethodDescription.all.map(\.name), [2, 3])
    func `gradients have the same bits on any number of threads`(method: String, threads: Int) throws {
        for architecture in SmallNetwork.architectures {
            func gradients(_ threads: Int) throws -> [Float] {
                let network = try SmallNetwork(
                    method: method,
                    dropout: 0.1,
                    threads: threads,
                    architecture: architecture
                )
                network.accumulateGradients()
                return network.store.gradients.view.values
            }
            #expect(try gradients(1) == gradients(threads), "\(architecture)")
        }
    }

    @Test func `switches decide what is trained and how it begins`() throws {
        func store(_ method: String, _ settings: Settings) throws -> ParameterStore {
            try SmallNetwork(method: method, settings: settings, dropout: 0).store
        }
        let some = try store("bitfit", ["intermediateBias": .flag(false)])
        #expect(!some["encoder.layer.0.intermediate.dense.bias"].isTrainable)
        #expect(some["encoder.layer.0.output.dense.bias"].isTrainable)
        let deviations = try ["kaimingUniform", "normal", "gaussian"].map { name in
            let declarations = LoRA(
                try MethodDescription.named("lora").resolve(["initialization": .text(name), "rank": .integer(4)])
            ).declarations(
                EncoderConfiguration(vocabulary: 9, hidden: 16, layers: 1, heads: 2, intermediate: 32, positions: 8)
            )
            return declarations[0].source
        }
        #expect(deviations == [.uniform(0.25), .normal(0.02), .normal(0.25)])
    }

    @Test func `frozen parameters have no gradient and new adapters change nothing`() throws {
        let network = try SmallNetwork(method: "lora", dropout: 0)
        #expect(!network.store["encoder.layer.0.attention.self.query.weight"].isTrainable)
        let names = network.store.trainable.map(\.declaration.name)
        #expect(names.filter { $0.contains(".lora_") }.count == 2 * 6 * 2)
        #expect(
            names.suffix(4) == ["pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"]
        )
    }
}

@Suite struct ParameterCountTests {
    private func trained(_ method: String, _ configuration: EncoderConfiguration) throws -> Int {
        let tuning = fineTuningMethod(method, settings: try MethodDescription.named(method).resolve([:]))
        let declarations = configuration.declarations(trains: tuning.trains) + tuning.declarations(configuration)
        return declarations.filter(\.isTrainable).reduce(0) { $0 + $1.count }
    }

    /// Section 1.2 of the methods' specification, on the shape of the MiniLM backbone.
    @Test(arguments: [("full", 22_565_376), ("bitfit", 25_728), ("lora", 331_776)])
    func `methods train as many parameters as their definition says`(method: String, count: Int) throws {
        let configuration = EncoderConfiguration(
            vocabulary: 30_522,
            hidden: 384,
            layers: 6,
            heads: 12,
            intermediate: 1536,
            positions: 512
        )
        #expect(try self.trained(method, configuration) == count)
    }

    /// The numbers that the published tables print as 184M, 0.1M and 1.33M.
    @Test(arguments: [("full", 183_831_552), ("bitfit", 102_912), ("lora", 1_327_104)])
    func `on DeBERTaV3-base they train as many as the published tables say`(method: String, count: Int) throws {
        let configuration = EncoderConfiguration(
            vocabulary: 128_100,
            hidden: 768,
            layers: 12,
            heads: 12,
            intermediate: 3072,
            positions: 512,
            types: 0,
            architecture: .deberta(Deberta(embedding: 768))
        )
        #expect(try self.trained(method, configuration) == count)
    }
}
