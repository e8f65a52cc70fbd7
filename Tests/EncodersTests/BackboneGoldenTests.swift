import Encoders
import Layers
import Tensors
import Testing

/// A small random backbone whose values HF transformers computed in float64
/// (`Tests/Reference/make_backbone_golden.py`).
struct GoldenBackbone {
    static let names = ["roberta", "deberta-v3", "deberta-convolution", "deberta-other", "deberta-one-block"]

    let configuration: EncoderConfiguration
    let values: Safetensors
    let batch: PackedBatch
    let store: ParameterStore
    let classifier: HeadedEncoder

    /// All parameters trainable, the head of two classes from the file.
    init(_ name: String) throws {
        let folder = GoldenBERT.folder + "/" + name
        self.configuration = try EncoderConfiguration(folder: folder).replacingDropout(0)
        self.values = try Safetensors(path: folder + "/values.safetensors")
        self.batch = try goldenBatch(self.values)
        let weights = try BackboneWeights(folder: folder)
        let head = self.configuration.headDeclarations(.sequence(outputs: 2)) { _, _ in true }
        let declarations = self.configuration.declarations { _ in true } + head
        _ = try weights.check(against: declarations)
        self.store = try ParameterStore(declarations, backbone: weights, seed: 0)
        self.classifier = HeadedEncoder(self.configuration, head: .sequence(outputs: 2), store: self.store)
    }

    /// The gradient of a parameter under HF's name; zeros where the loss does not depend on it.
    func gradient(_ declaration: ParameterDeclaration) throws -> [Float] {
        let name = "gradient." + self.configuration.publishedName(declaration.name)
        guard self.values.tensors[name] != nil else { return [Float](repeating: 0, count: declaration.count) }
        return Array(try self.values.floats(name))
    }
}

func norm(_ x: some Sequence<Float>) -> Double { x.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }

@Suite struct BackboneGoldenTests {
    @Test(arguments: GoldenBackbone.names)
    func `hidden states and logits agree with transformers in float64`(name: String) throws {
        let golden = try GoldenBackbone(name)
        let pass = Pass(team: Team(threads: 2), arena: Arena())
        let (hidden, _) = golden.classifier.encoder.forward(golden.batch, output: .everyToken, pass: pass)
        #expect(largestDifference(flat(hidden), try golden.values.floats("hidden")) < 1e-5)
        let (logits, _) = golden.classifier.forward(golden.batch, pass: pass)
        #expect(largestDifference(flat(logits), try golden.values.floats("logits")) < 1e-5)
    }

    /// Goal: a pass that begins at a block is the whole one. Method: bit for bit, from every block, twice.
    @Test(arguments: GoldenBackbone.names)
    func `a pass that takes up hidden states gives the whole one's bits`(name: String) throws {
        let golden = try GoldenBackbone(name)
        let pass = Pass(team: Team(threads: 2), arena: Arena())
        let whole = golden.classifier.forward(golden.batch, pass: pass).logits.values
        for block in 0..<golden.classifier.encoder.configuration.layers {
            let states = HiddenStates(before: block)
            for _ in 0..<3 {
                pass.arena.reset()
                let again = golden.classifier.forward(golden.batch, states: states, pass: pass).logits.values
                #expect(again == whole)
            }
        }
    }

    /// Goal: every gradient of the whole network is PyTorch's.
    /// Method: measured against its own norm, or a thousandth of the norm of all where it is smaller: the gradients of
    /// key biases are zero in theory and rounding errors in practice.
    @Test(arguments: GoldenBackbone.names, [1, 3])
    func `all gradients agree with transformers in float64`(name: String, threads: Int) throws {
        let golden = try GoldenBackbone(name)
        let pass = Pass(team: Team(threads: threads), arena: Arena(), dropout: Dropout(seed: 0, step: 0))
        let (logits, saved) = golden.classifier.forward(golden.batch, pass: pass)
        let dLogits = pass.arena.matrix(rows: logits.rows, columns: logits.columns)
        let labels = try golden.values.integers("labels").map(Int.init)
        let loss =
            Loss.crossEntropy(logits, labels: labels, examples: labels.count, dLogits: dLogits) / Double(labels.count)
        #expect(abs(loss - Double(try golden.values.floats("loss")[0])) < 1e-6)
        golden.classifier.backward(dLogits.view, saved: saved, batch: golden.batch, pass: pass)
        let expected = try golden.store.trainable.map { try golden.gradient($0.declaration) }
        let whole = norm(expected.joined())
        let names = golden.values.tensors.keys.filter { $0.hasPrefix("gradient.") }
        #expect(expected.filter { norm($0) > 0 }.count == names.count)
        for ((declaration, range), expected) in zip(golden.store.trainable, expected) {
            let differences = zip(golden.store.gradients.view[0][range], expected).map { $0 - $1 }
            #expect(norm(differences) <= 1e-4 * max(norm(expected), 1e-3 * whole), "\(declaration.name)")
        }
    }
}
