import Encoders
import Foundation
import Reports
import Tokenizers

/// What `quintet inspect` says of a backbone: its shape, and what its files hold.
struct BackboneSummary {
    let folder: String
    private let configuration: EncoderConfiguration
    private let weights: BackboneWeights
    private let tokenizer: any Tokenizer
    /// The layer between encoder and classifier, where the files have it.
    private let pooler: [ParameterDeclaration]
    /// Of a head, which a task of the same kind and as many outputs uses.
    private let head: [String]
    /// What no task uses.
    private let skipped: [String]

    /// - Throws: an error of one line for files that are missing, damaged, or do not go together.
    init(folder: String) throws {
        self.folder = folder
        self.configuration = try EncoderConfiguration(folder: folder)
        self.weights = try BackboneWeights(folder: folder)
        self.tokenizer = try loadTokenizer(folder: folder)
        self.pooler = self.configuration.headDeclarations(.sequence(outputs: 1), isInFile: self.weights.has).filter {
            $0.source == .backbone && $0.name.contains("dense")
        }
        let others = try self.weights.check(
            against: self.configuration.declarations { _ in false } + self.pooler
        )
        let isOfHead = { (name: String) in ["classifier.", "qa_outputs."].contains { name.hasPrefix($0) } }
        self.head = others.filter(isOfHead)
        self.skipped = others.filter { !isOfHead($0) }
    }

    var lines: [String] {
        let shape = self.configuration
        let counts = self.counts
        let total = counts.reduce(0) { $0 + $1.count }
        let width = grouped(total).count
        let tokens = self.tokenizer.vocabularySize
        let surplus = tokens > shape.vocabulary ? ", more than the vocabulary: these files do not go together" : ""
        var lines = [
            oneLine(self.folder, limit: 4000),
            "\(self.architecture): \(shape.layers) layers, hidden \(shape.hidden), \(shape.heads) heads, intermediate "
                + "\(shape.intermediate), \(shape.positions) positions, vocabulary \(grouped(shape.vocabulary))",
            "tokenizer: \(self.tokenizerKind), \(grouped(tokens)) tokens\(surplus)",
            "parameters: \(grouped(total))",
        ]
        lines += counts.map { name, count, note in
            let number = grouped(count)
            return "  \(String(repeating: " ", count: width - number.count))\(number)  \(name)\(note)"
        }
        lines.append("weights: \(self.form), \(self.bytes)")
        for (title, names) in [("head", self.head), ("not used", self.skipped)] where !names.isEmpty {
            lines.append("\(title): \(oneLine(names.joined(separator: ", "), limit: 4000))")
        }
        return lines
    }

    /// The encoder's parameters by part, and those of the layer before the classifier where the file has it.
    private var counts: [(name: String, count: Int, note: String)] {
        var (embeddings, blocks, shared) = (0, 0, 0)
        for parameter in self.configuration.declarations(trains: { _ in false }) {
            if parameter.name.hasPrefix("embeddings.") {
                embeddings += parameter.count
            } else if parameter.name.hasPrefix("encoder.layer.") {
                blocks += parameter.count
            } else {
                shared += parameter.count
            }
        }
        let layers = self.configuration.layers
        var counts = [
            ("embeddings", embeddings, ""), ("blocks", blocks, ": \(layers) of \(grouped(blocks / layers))"),
        ]
        if shared > 0 { counts.append(("relative positions and convolution", shared, "")) }
        let pooler = self.pooler.reduce(0) { $0 + $1.count }
        counts.append(("pooler", pooler, pooler > 0 ? "" : ": not in the file, starts from the seed"))
        return counts
    }

    private var architecture: String {
        switch self.configuration.architecture {
        case .bert: "BERT"
        case .roberta: "RoBERTa"
        case .deberta: "DeBERTa"
        }
    }

    private var tokenizerKind: String {
        switch self.tokenizer {
        case is WordPieceTokenizer: "WordPiece"
        case is BytePairTokenizer: "byte-level BPE"
        case is UnigramTokenizer: "Unigram"
        default: "\(type(of: self.tokenizer))"
        }
    }

    private var form: String {
        switch self.weights.form {
        case .safetensors: "one safetensors file"
        case .shards(let count): "\(count) safetensors files with an index"
        case .torchArchive: "a PyTorch archive"
        }
    }

    /// By type, the most first.
    private var bytes: String {
        let sorted = self.weights.bytesByType.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
        return sorted.map { "\($0.key.title) \(grouped($0.value)) bytes" }.joined(separator: ", ")
    }
}

extension Safetensors.ElementType {
    /// As people write it.
    fileprivate var title: String {
        switch self {
        case .f64: "fp64"
        case .f32: "fp32"
        case .f16: "fp16"
        case .bf16: "bf16"
        case .i64: "int64"
        case .i32: "int32"
        case .u8: "uint8"
        case .bool: "bool"
        }
    }
}
