import Encoders
import Layers
import Tensors
import Testing

/// A small random backbone with heads for spans and candidates, whose values HF transformers computed in float64
/// (`Tests/Reference/make_head_golden.py`).
private struct GoldenHead {
    static let names = ["bert", "roberta", "deberta-v3"]

    let configuration: EncoderConfiguration
    let head: Head
    let values: Safetensors
    let batch: PackedBatch
    let store: ParameterStore
    let network: HeadedEncoder

    /// All parameters trainable, the head from the file.
    init(_ name: String, _ head: Head) throws {
        let folder = GoldenBERT.folder + "/heads-" + name
        self.configuration = try EncoderConfiguration(folder: folder).replacingDropout(0)
        self.head = head
        self.values = try Safetensors(path: folder + (head == .span ? "/span.safetensors" : "/candidate.safetensors"))
        self.batch = try goldenBatch(self.values)
        let weights = try BackboneWeights(folder: folder)
        let declarations =
            self.configuration.declarations { _ in true }
            + self.configuration.headDeclarations(head, isInFile: weights.has)
        _ = try weights.check(against: declarations)
        self.store = try ParameterStore(declarations, backbone: weights, seed: 0)
        self.network = HeadedEncoder(self.configuration, head: head, store: self.store)
    }

    func loss(_ logits: MatrixView, dLogits: MutableMatrixView) throws -> Double {
        func integers(_ name: String) throws -> [Int] { try self.values.integers(name).map(Int.init) }
        guard self.head == .span else {
            let (sizes, right) = (try integers("sizes"), try integers("labels").map { [$0] })
            return Loss.choice(logits, sizes: sizes, right: right, examples: sizes.count, dLogits: dLogits)
                / Double(sizes.count)
        }
        let spans = zip(try integers("starts"), try integers("ends")).map { $0...$1 }
        return Loss.span(logits, offsets: self.batch.offsets, spans: spans, examples: spans.count, dLogits: dLogits)
            / Double(spans.count)
    }
}

@Suite struct HeadGoldenTests {
    /// Goal: logits, loss and every gradient of the whole network are those of HF's classes for spans and candidates.
    /// Method: as in ``BackboneGoldenTests``.
    @Test(arguments: GoldenHead.names, [Head.span, .candidate])
    func `heads for spans and candidates agree with transformers in float64`(name: String, head: Head) throws {
        let golden = try GoldenHead(name, head)
        let pass = Pass(team: Team(threads: 2), arena: Arena(), dropout: Dropout(seed: 0, step: 0))
        let (logits, saved) = golden.network.forward(golden.batch, pass: pass)
        #expect(largestDifference(flat(logits), try golden.values.floats("logits")) < 1e-5)
        let dLogits = pass.arena.matrix(rows: logits.rows, columns: logits.columns)
        let loss = try golden.loss(logits, dLogits: dLogits)
        #expect(abs(loss - Double(try golden.values.floats("loss")[0])) < 1e-6)
        golden.network.backward(dLogits.view, saved: saved, batch: golden.batch, pass: pass)
        let published = golden.store.trainable.map {
            "gradient." + golden.configuration.publishedName($0.declaration.name)
        }
        let names = Set(golden.values.tensors.keys.filter { $0.hasPrefix("gradient.") })
        #expect(names.isSubset(of: published))
        let whole = norm(try names.flatMap { Array(try golden.values.floats($0)) })
        for ((declaration, range), name) in zip(golden.store.trainable, published) {
            let zeros = [Float](repeating: 0, count: declaration.count)
            let expected = names.contains(name) ? Array(try golden.values.floats(name)) : zeros
            let differences = zip(golden.store.gradients.view[0][range], expected).map { $0 - $1 }
            #expect(norm(differences) <= 1e-4 * max(norm(expected), 1e-3 * whole), "\(declaration.name)")
        }
    }
}
