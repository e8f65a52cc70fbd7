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
        var names: [(String, [Int])] = [
            ("embeddings.word_embeddings.weight", [self.vocabulary, self.hidden]),
            ("embeddings.position_embeddings.weight", [self.positionRows, self.hidden]),
            ("embeddings.token_type_embeddings.weight", [self.types, self.hidden]),
        ]
        func add(norm path: String) { names += [(path + ".weight", [self.hidden]), (path + ".bias", [self.hidden])] }
        add(norm: "embeddings.LayerNorm")
        for block in 0..<self.layers {
            for layer in LinearLayer.allCases {
                let (input, output) = layer.widths(self)
                let path = layer.path(block: block)
                names += [(path + ".weight", [output, input]), (path + ".bias", [output])]
                if layer == .attentionOutput { add(norm: "encoder.layer.\(block).attention.output.LayerNorm") }
                if layer == .output { add(norm: "encoder.layer.\(block).output.LayerNorm") }
            }
        }
        return names.map {
            ParameterDeclaration(name: $0.0, shape: $0.1, source: .backbone, isTrainable: trains($0.0))
        }
    }

    /// The rows of the table of positions.
    private var positionRows: Int {
        switch self.architecture {
        case .bert: self.positions
        case .roberta: self.positions + self.paddingID + 1
        }
    }

    /// The path of the layer between the first token's hidden state and the classifier.
    var poolerPath: String {
        switch self.architecture {
        case .bert: "pooler.dense"
        case .roberta: "classifier.dense"
        }
    }

    /// The path of the last layer.
    var classifierPath: String {
        switch self.architecture {
        case .bert: "classifier"
        case .roberta: "classifier.out_proj"
        }
    }

    /// The head as HF's sequence classification has it: a pooler, which the backbone may bring, and a classifier,
    /// which is new.
    public func headDeclarations(outputs: Int, poolerInFile: Bool, isTrainable: Bool) -> [ParameterDeclaration] {
        let normal = ParameterDeclaration.Source.normal(self.initializerRange)
        let parameters: [(String, [Int], ParameterDeclaration.Source)] = [
            (self.poolerPath + ".weight", [self.hidden, self.hidden], poolerInFile ? .backbone : normal),
            (self.poolerPath + ".bias", [self.hidden], poolerInFile ? .backbone : .zeros),
            (self.classifierPath + ".weight", [outputs, self.hidden], normal),
            (self.classifierPath + ".bias", [outputs], .zeros),
        ]
        return parameters.map {
            ParameterDeclaration(name: $0.0, shape: $0.1, source: $0.2, isTrainable: isTrainable, isHead: true)
        }
    }
}

/// The name that the encoder uses for a checkpoint's tensor: without the prefix of the architecture.
func ownName(ofTensor name: String) -> String {
    for prefix in ["bert.", "roberta."] where name.hasPrefix(prefix) { return String(name.dropFirst(prefix.count)) }
    return name
}

extension ParameterStore {
    func linear(_ path: String, adapter: (any LinearAdapter)? = nil) -> Linear {
        Linear(weight: self[path + ".weight"], bias: self[path + ".bias"], adapter: adapter)
    }

    func norm(_ path: String, _ configuration: EncoderConfiguration) -> LayerNorm {
        LayerNorm(scale: self[path + ".weight"], shift: self[path + ".bias"], epsilon: configuration.layerNormEpsilon)
    }
}
