import Encoders
import Fetching
import Foundation
import Tasks

extension Catalogue {
    /// What `fetch` and `launch` know by name: what is published, and what this machine can make itself.
    static let quintet = Catalogue.standard(
        FileRules(
            movieReviews: { try MovieReviews.files(table: $0) },
            paraphrases: { try ParaphraseFiles.files(folder: $0.path) },
            convertWeights: { try TorchArchive(path: $0.path).convert(to: $1.path) },
            checkData: { try PublishedData.check($0, folder: $1) }
        )
    ).adding([.offline, .tinyRandom])
}

extension Entry {
    /// The generated task.
    fileprivate static let offline = Entry.generated(name: "offline", kind: .data, files: ["train.tsv", "dev.tsv"]) {
        folder in
        for (name, text) in OfflineTask.files() { try Data(text.utf8).write(to: folder.appending(path: name)) }
    }

    /// A BERT encoder of two layers with random weights, which knows the generated task's words and no others.
    fileprivate static let tinyRandom = Entry.generated(
        name: "tiny-random",
        kind: .backbone,
        files: ["config.json", "vocab.txt", "model.safetensors"]
    ) { folder in
        let vocabulary = OfflineTask.vocabulary
        let configuration = EncoderConfiguration(
            vocabulary: vocabulary.count,
            hidden: 64,
            layers: 2,
            heads: 4,
            intermediate: 128,
            positions: 64
        )
        try Data(configuration.written.utf8).write(to: folder.appending(path: "config.json"))
        try Data((vocabulary.joined(separator: "\n") + "\n").utf8).write(to: folder.appending(path: "vocab.txt"))
        try Data(configuration.randomWeights()).write(to: folder.appending(path: "model.safetensors"))
    }
}

extension EncoderConfiguration {
    /// `config.json`, as ``init(folder:)`` reads it.
    fileprivate var written: String {
        """
        {
          "model_type": "bert",
          "hidden_act": "gelu",
          "vocab_size": \(self.vocabulary),
          "hidden_size": \(self.hidden),
          "num_hidden_layers": \(self.layers),
          "num_attention_heads": \(self.heads),
          "intermediate_size": \(self.intermediate),
          "max_position_embeddings": \(self.positions),
          "type_vocab_size": \(self.types),
          "layer_norm_eps": 1e-12,
          "hidden_dropout_prob": 0.1,
          "attention_probs_dropout_prob": 0.1,
          "initializer_range": 0.02
        }

        """
    }

    /// `model.safetensors` with uniform weights of the variance 1 / width, which keeps signals as large as they come
    /// in. Every step is exact arithmetic, so that the file is the same on every machine: it is part of shard keys.
    fileprivate func randomWeights() throws -> [UInt8] {
        var writer = SafetensorsWriter()
        var state: UInt64 = 42
        for parameter in self.declarations(trains: { _ in false }) {
            let isNorm = parameter.shape.count == 1 && parameter.name.hasSuffix("LayerNorm.weight")
            let values: [Float]
            if parameter.shape.count == 2 {
                let scale = Float(3).squareRoot() / Float(self.hidden).squareRoot()
                values = (0..<parameter.count).map { _ in scale * nextUniform(&state) }
            } else {
                values = [Float](repeating: isNorm ? 1 : 0, count: parameter.count)
            }
            values.withUnsafeBufferPointer { writer.add(parameter.name, shape: parameter.shape, $0) }
        }
        return try writer.bytes()
    }
}

/// The next number in -1..<1 of the generator SplitMix64 (Steele, Lea, Flood 2014): 24 of its bits, exact as a Float.
private func nextUniform(_ state: inout UInt64) -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return Float(Int((bits ^ (bits >> 31)) >> 40) - 1 << 23) / Float(1 << 23)
}
