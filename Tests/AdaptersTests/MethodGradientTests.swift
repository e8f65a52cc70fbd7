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
    let adaptation: any Adaptation
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
        // What a method leaves out at first stays out.
        let adaptation = method.adaptation(configuration, store: store)
        adaptation.begin()
        self.adaptation = adaptation
        self.classifier = HeadedEncoder(
            configuration,
            head: .sequence(outputs: 2),
            store: store,
            additions: adaptation.addition
        )
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
        // What a penalty adds to gradients is not looked at here.
        let penalty = self.adaptation.addPenalty(team: self.pass.team)
        return Loss.crossEntropy(logits, labels: self.labels, examples: 3, dLogits: nil) / 3 + penalty
    }

    func accumulateGradients() {
        self.pass.arena.reset()
        let (logits, saved) = self.classifier.forward(self.batch, pass: self.pass)
        let dLogits = self.pass.arena.matrix(rows: logits.rows, columns: logits.columns)
        _ = Loss.crossEntropy(logits, labels: self.labels, examples: 3, dLogits: dLogits)
        self.classifier.backward(dLogits.view, saved: saved, batch: self.batch, pass: self.pass)
        _ = self.adaptation.addPenalty(team: self.pass.team)
    }
}

@Suite struct MethodGradientTests {
    static let cases: [(String, Settings)] =
        MethodDescription.all.map { ($0.name, [:]) } + [
            ("lora", ["rank": .integer(2), "targets": .list(["query", "value"])]),
            ("lora", ["rank": .integer(3), "alpha": .number(1), "targets": .list(["intermediate"])]),
            ("lora", ["initialization": .text("normal")]), ("lora", ["initialization": .text("gaussian")]),
            ("lora", ["loraDropout": .number(0.3)]), ("lora", ["orthogonalWeight": .number(0.5)]),
            ("bitfit", ["intermediateBias": .flag(false)]),
            ("houlsby", ["layerNormTrainable": .flag(true), "activation": .text("gelu"), "bottleneck": .integer(5)]),
            ("houlsby", ["placement": .text("linear"), "targets": allLayers, "activation": .text("geluNew")]),
            ("houlsby", ["placement": .text("normed"), "layerNormTrainable": .flag(true)]),
            ("pfeiffer", ["activation": .text("silu"), "layerNormTrainable": .flag(true)]),
            ("adalora", ["orthogonalForm": .text("squaredSum"), "loraDropout": .number(0.2)]),
            ("adalora", ["orthogonalWeight": .number(0), "initialRank": .integer(3), "targetRank": .integer(1)]),
            ("sora", ["l1Weight": .number(2), "rank": .integer(3)]), ("sora", ["loraDropout": .number(0.2)]),
            ("alora", ["initialRank": .integer(2), "maximumRank": .integer(5), "loraDropout": .number(0.2)]),
        ]

    private static let allLayers = SettingValue.list(MethodDescription.linearLayers)

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
            let (values, gradients) = (network.store.values.mutableView[0], network.store.gradients.view.values)
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
                let step: Float = 0.01
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
        let adapters = fineTuningMethod(
            "houlsby",
            settings: try MethodDescription.named("houlsby").resolve(["initialDeviation": .number(0.001)])
        )
        let sources = adapters.declarations(
            EncoderConfiguration(vocabulary: 9, hidden: 16, layers: 1, heads: 2, intermediate: 32, positions: 8)
        ).map(\.source)
        #expect(sources.prefix(4) == [.normal(0.001), .zeros, .normal(0.001), .zeros])
        let norms = try store("pfeiffer", ["layerNormTrainable": .flag(true)])
        #expect(norms["encoder.layer.1.attention.output.LayerNorm.weight"].isTrainable)
        #expect(!norms["encoder.layer.1.attention.output.dense.bias"].isTrainable)
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
