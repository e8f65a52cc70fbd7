import Foundation
internal import Layers

/// What a backbone's `config.json` says, as far as an encoder depends on it.
public struct EncoderConfiguration: Hashable, Sendable {
    public var architecture: Architecture
    public var vocabulary: Int
    public var hidden: Int
    public var layers: Int
    public var heads: Int
    public var intermediate: Int
    /// The longest sequence.
    public var positions: Int
    public var types: Int
    /// The token whose vector is never trained.
    public var paddingID: Int
    public var layerNormEpsilon: Float
    public var hiddenDropout: Float
    public var attentionDropout: Float
    /// Before a head's last layer; the configuration's `classifier_dropout`, else its hidden dropout.
    public var classifierDropout: Float
    /// After the layer in front of a head's last.
    var poolerActivation: Activation { self.deberta?.poolerActivation ?? .tanh }
    /// The deviation of a new head's weights.
    public var initializerRange: Double

    public init(
        vocabulary: Int,
        hidden: Int,
        layers: Int,
        heads: Int,
        intermediate: Int,
        positions: Int,
        types: Int = 2,
        layerNormEpsilon: Float = 1e-12,
        dropout: Float = 0.1,
        initializerRange: Double = 0.02,
        architecture: Architecture = .bert,
        paddingID: Int = 0
    ) {
        self.paddingID = paddingID
        self.architecture = architecture
        self.vocabulary = vocabulary
        self.hidden = hidden
        self.layers = layers
        self.heads = heads
        self.intermediate = intermediate
        self.positions = positions
        self.types = types
        self.layerNormEpsilon = layerNormEpsilon
        self.hiddenDropout = dropout
        self.attentionDropout = dropout
        self.classifierDropout = dropout
        self.initializerRange = initializerRange
    }

    /// The same encoder with one dropout rate everywhere.
    public func replacingDropout(_ rate: Float) -> EncoderConfiguration {
        var copy = self
        (copy.hiddenDropout, copy.attentionDropout, copy.classifierDropout) = (rate, rate, rate)
        if case .deberta(var deberta) = self.architecture, deberta.poolerDropout > 0 {
            deberta.poolerDropout = rate
            copy.architecture = .deberta(deberta)
        }
        return copy
    }

    /// The largest `config.json` that is read, in bytes.
    static let fileLimitBytes = 1 << 20

    /// Reads `config.json` of a backbone's folder.
    ///
    /// - Throws: ``BackboneError`` naming what is missing, out of range or not supported.
    public init(folder: String) throws {
        let path = folder + "/config.json"
        try self.init(path: path, bytes: try File.contents(path: path, limitBytes: Self.fileLimitBytes))
    }

    /// The same of bytes at hand; `path` is for messages.
    init(path: String, bytes: [UInt8]) throws {
        let reader = try ConfigurationReader(path: path, bytes: bytes)
        try reader.require("model_type", ["bert", "roberta", "deberta-v2"])
        try reader.require("hidden_act", ["gelu"])
        try reader.require("position_embedding_type", ["absolute"], whereAbsent: "absolute")
        let hiddenDropout = try reader.rate("hidden_dropout_prob")
        self.vocabulary = try reader.count("vocab_size", 1...10_000_000)
        self.hidden = try reader.count("hidden_size", 1...65_536)
        self.layers = try reader.count("num_hidden_layers", 1...1024)
        self.heads = try reader.count("num_attention_heads", 1...1024)
        self.intermediate = try reader.count("intermediate_size", 1...1_048_576)
        guard self.hidden % self.heads == 0 else {
            throw BackboneError(
                path: path,
                "hidden_size \(self.hidden) is no multiple of num_attention_heads \(self.heads)"
            )
        }
        let positions = try reader.count("max_position_embeddings", 1...65_536)
        let (isRoberta, isDeberta) = (reader.isType("roberta"), reader.isType("deberta-v2"))
        if isDeberta {
            let deberta = try Deberta(reader, hidden: self.hidden, heads: self.heads, positions: positions)
            self.architecture = .deberta(deberta)
        } else {
            self.architecture = isRoberta ? .roberta : .bert
        }
        self.paddingID = try reader.padding(whereAbsent: isRoberta ? 1 : 0, below: self.vocabulary)
        self.positions = positions - (isRoberta ? self.paddingID + 1 : 0)
        guard self.positions > 0 else {
            throw BackboneError(
                path: path,
                "max_position_embeddings is \(positions); positions count from pad_token_id + 1, \(self.paddingID + 1)"
            )
        }
        self.types =
            isDeberta
            ? try reader.count("type_vocab_size", 0...1024, whereAbsent: 0)
            : try reader.count("type_vocab_size", 1...1024)
        self.layerNormEpsilon = Float(
            try reader.number("layer_norm_eps", 0...1, whereAbsent: isDeberta ? 1e-7 : 1e-12)
        )
        self.hiddenDropout = hiddenDropout
        self.attentionDropout = try reader.rate("attention_probs_dropout_prob")
        let rateKey = isDeberta ? "cls_dropout" : "classifier_dropout"
        self.classifierDropout = reader.isAbsent(rateKey) ? hiddenDropout : try reader.rate(rateKey)
        self.initializerRange = try reader.number("initializer_range", 0...10, whereAbsent: 0.02)
    }
}

/// In what an encoder differs from BERT.
public enum Architecture: Hashable, Sendable {
    case bert
    /// RoBERTa (Liu et al. 2019, arXiv:1907.11692): positions count from the padding's id + 1, padding itself has its id
    /// as its position, and every token is of type 0.
    case roberta
    /// DeBERTa-v2 and v3.
    case deberta(Deberta)
}
