import Encoders
import Foundation
import Layers
import Tensors
import Testing

/// A small random BERT whose values HF transformers computed in float64 (`Tests/Reference/make_encoder_golden.py`).
struct GoldenBERT {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden").path

    let configuration: EncoderConfiguration
    let values: Safetensors
    let batch: PackedBatch

    init() throws {
        self.configuration = try EncoderConfiguration(folder: Self.folder).replacingDropout(0)
        self.values = try Safetensors(path: Self.folder + "/bert-tiny-values.safetensors")
        self.batch = try goldenBatch(self.values)
    }

    /// All parameters trainable, the head of two classes from the file.
    func store() throws -> ParameterStore {
        let file = try Safetensors(path: Self.folder + "/bert-tiny.safetensors")
        let head = self.configuration.headDeclarations(.sequence(outputs: 2)) { _, _ in true }
        return try ParameterStore(
            self.configuration.declarations { _ in true } + head,
            backbone: BackboneWeights(file: file),
            seed: 0
        )
    }
}

/// The sequences of a golden file.
func goldenBatch(_ values: Safetensors) throws -> PackedBatch {
    var (batch, start) = (PackedBatch(), 0)
    let (ids, types) = (try values.integers("input_ids"), try values.integers("type_ids"))
    for (place, length) in try values.integers("lengths").enumerated() {
        let range = start..<start + Int(length)
        batch.append(tokenIDs: Array(ids[range]), typeIDs: Array(types[range]), place: place)
        start = range.upperBound
    }
    return batch
}

func largestDifference(_ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>) -> Float {
    precondition(a.count == b.count, "\(a.count) and \(b.count) values")
    return zip(a, b).map { abs($0 - $1) }.max() ?? 0
}

func flat(_ view: MatrixView) -> UnsafeBufferPointer<Float> {
    precondition(view.stride == view.columns)
    return UnsafeBufferPointer(start: view.base, count: view.rows * view.columns)
}

@Suite struct BERTGoldenTests {
    @Test func `hidden states and logits agree with transformers in float64`() throws {
        let golden = try GoldenBERT()
        let store = try golden.store()
        let classifier = HeadedEncoder(golden.configuration, head: .sequence(outputs: 2), store: store)
        let pass = Pass(team: Team(threads: 2), arena: Arena())
        let (hidden, _) = classifier.encoder.forward(golden.batch, output: .everyToken, pass: pass)
        #expect(largestDifference(flat(hidden), try golden.values.floats("hidden")) < 1e-5)
        let (logits, _) = classifier.forward(golden.batch, pass: pass)
        #expect(largestDifference(flat(logits), try golden.values.floats("logits")) < 1e-5)
    }

    /// Goal: every gradient of the whole network is PyTorch's.
    @Test(arguments: [1, 2, 3])
    func `all gradients agree with transformers in float64`(threads: Int) throws {
        let golden = try GoldenBERT()
        let store = try golden.store()
        let classifier = HeadedEncoder(golden.configuration, head: .sequence(outputs: 2), store: store)
        let pass = Pass(team: Team(threads: threads), arena: Arena(), dropout: Dropout(seed: 0, step: 0))
        let (logits, saved) = classifier.forward(golden.batch, pass: pass)
        let dLogits = pass.arena.matrix(rows: logits.rows, columns: logits.columns)
        let labels = try golden.values.integers("labels").map(Int.init)
        let loss =
            Loss.crossEntropy(logits, labels: labels, examples: labels.count, dLogits: dLogits) / Double(labels.count)
        #expect(abs(loss - Double(try golden.values.floats("loss")[0])) < 1e-6)
        classifier.backward(dLogits.view, saved: saved, batch: golden.batch, pass: pass)
        for (declaration, range) in store.trainable {
            let prefix = declaration.isHead && declaration.name.hasPrefix("classifier") ? "gradient." : "gradient.bert."
            let expected = try golden.values.floats(prefix + declaration.name)
            let actual = UnsafeBufferPointer(rebasing: store.gradients.view[0][range])
            let scale = max(1e-3, expected.map(abs).max() ?? 0)
            #expect(largestDifference(actual, expected) / scale < 2e-5, "\(declaration.name)")
        }
    }
}
