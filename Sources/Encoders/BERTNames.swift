// The names of an encoder's parameters in checkpoints, all in this file.

internal import Layers

/// A linear layer of a block, in the order of the forward pass. The raw values are what grids call them.
public enum LinearLayer: String, CaseIterable, Sendable {
    case query
    case key
    case value
    case attentionOutput
    case intermediate
    case output

    /// The layer's path within its block.
    var path: String {
        switch self {
        case .query: "attention.self.query"
        case .key: "attention.self.key"
        case .value: "attention.self.value"
        case .attentionOutput: "attention.output.dense"
        case .intermediate: "intermediate.dense"
        case .output: "output.dense"
        }
    }

    /// The layer's path within the encoder.
    public func path(block: Int) -> String { "encoder.layer.\(block).\(self.path)" }

    /// The widths of the layer's input and output.
    public func widths(_ configuration: EncoderConfiguration) -> (input: Int, output: Int) {
        switch self {
        case .query, .key, .value, .attentionOutput: (configuration.hidden, configuration.hidden)
        case .intermediate: (configuration.hidden, configuration.intermediate)
        case .output: (configuration.intermediate, configuration.hidden)
        }
    }
}

extension EncoderConfiguration {
    /// The encoder's parameters, from the embeddings up, without the head.
    ///
    /// - Parameter trains: which of them are trained.
    public func declarations(trains: (String) -> Bool) -> [ParameterDeclaration] {
        var names = [("embeddings.word_embeddings.weight", [self.vocabulary, self.embedding])]
        if self.hasPositionTable {
            names.append(("embeddings.position_embeddings.weight", [self.positionRows, self.embedding]))
        }
        if self.types > 0 { names.append(("embeddings.token_type_embeddings.weight", [self.types, self.embedding])) }
        if self.projectsEmbeddings { names.append(("embeddings.embed_proj.weight", [self.hidden, self.embedding])) }
        func add(norm path: String) { names += [(path + ".weight", [self.hidden]), (path + ".bias", [self.hidden])] }
        add(norm: "embeddings.LayerNorm")
        for block in 0..<self.layers {
            for layer in LinearLayer.allCases {
                let (input, output) = layer.widths(self)
                let path = layer.path(block: block)
                names += [(path + ".weight", [output, input]), (path + ".bias", [output])]
                if layer == .value {
                    for path in self.positionProjections(block: block) {
                        names += [(path + ".weight", [self.hidden, self.hidden]), (path + ".bias", [self.hidden])]
                    }
                }
                if layer == .attentionOutput { add(norm: "encoder.layer.\(block).attention.output.LayerNorm") }
                if layer == .output { add(norm: "encoder.layer.\(block).output.LayerNorm") }
            }
        }
        if let deberta = self.deberta {
            if let relative = deberta.relative {
                names.append((Self.relativeTable, [2 * relative.span, self.hidden]))
                if deberta.normsRelative { add(norm: Self.relativeNorm) }
            }
            if deberta.convolutionWidth > 0 {
                let shape = [self.hidden, self.hidden, deberta.convolutionWidth]
                names += [(Self.convolution + ".weight", shape), (Self.convolution + ".bias", [self.hidden])]
                add(norm: Self.convolutionNorm)
            }
        }
        return names.map {
            ParameterDeclaration(name: $0.0, shape: $0.1, source: .backbone, isTrainable: trains($0.0))
        }
    }

    static let relativeTable = "encoder.rel_embeddings.weight"
    static let relativeNorm = "encoder.LayerNorm"
    static let convolution = "encoder.conv.conv"
    static let convolutionNorm = "encoder.conv.LayerNorm"

    func positionKey(block: Int) -> String { "encoder.layer.\(block).attention.self.pos_key_proj" }
    func positionQuery(block: Int) -> String { "encoder.layer.\(block).attention.self.pos_query_proj" }

    /// The layers of a block that project relative positions and nothing else.
    private func positionProjections(block: Int) -> [String] {
        guard let deberta = self.deberta else { return [] }
        return (deberta.hasPositionKey ? [self.positionKey(block: block)] : [])
            + (deberta.hasPositionQuery ? [self.positionQuery(block: block)] : [])
    }

    /// The rows of the table of positions.
    private var positionRows: Int {
        switch self.architecture {
        case .bert, .deberta: self.positions
        case .roberta: self.positions + self.paddingID + 1
        }
    }
}

/// What BERT and DeBERTa call the same layers.
let debertaProjections = ["query", "key", "value"].map { (".self.\($0).", ".self.\($0)_proj.") }

extension EncoderConfiguration {
    /// The name that HF `transformers` gives a parameter of this encoder, its head or an adapter beside a layer.
    public func publishedName(_ name: String) -> String {
        var published = name
        let prefix: String
        switch self.architecture {
        case .bert: prefix = "bert."
        case .roberta: prefix = "roberta."
        case .deberta:
            prefix = "deberta."
            for (ours, theirs) in debertaProjections { published = published.replacing(ours, with: theirs) }
        }
        // The poolers of BERT and RoBERTa are parts of their encoders, DeBERTa's is not.
        let isOfHead =
            name.hasPrefix("classifier.") || name.hasPrefix("qa_outputs.")
            || (name.hasPrefix("pooler.") && self.deberta != nil)
        return isOfHead ? published : prefix + published
    }
}

extension ParameterStore {
    func linear(_ path: String, addition: LayerAddition? = nil) -> Linear {
        Linear(weight: self[path + ".weight"], bias: self[path + ".bias"], addition: addition)
    }

    func norm(_ path: String, _ configuration: EncoderConfiguration) -> LayerNorm {
        LayerNorm(scale: self[path + ".weight"], shift: self[path + ".bias"], epsilon: configuration.layerNormEpsilon)
    }
}
