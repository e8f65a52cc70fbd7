public import Layers

/// What `config.json` of DeBERTa-v2 or v3 (He et al. 2020, arXiv:2006.03654; 2021, arXiv:2111.09543) says beyond BERT's.
public struct Deberta: Hashable, Sendable {
    /// Width of the tables of words, positions and types; where it is not the hidden width, a projection follows.
    public var embedding: Int
    /// Whether absolute positions are added to the words (`position_biased_input`).
    public var hasPositionTable: Bool
    /// `nil`: no relative attention.
    public var relative: RelativePositions?
    /// Whether the table of relative positions is normalised (`norm_rel_ebd`).
    public var normsRelative: Bool
    /// Whether queries and keys of positions are projected as those of tokens are (`share_att_key`).
    public var sharesProjections: Bool
    public var hasContentToPosition: Bool
    public var hasPositionToContent: Bool
    /// Beside the first block; 0: none.
    public var convolutionWidth: Int
    public var convolutionActivation: Activation
    public var poolerDropout: Float
    public var poolerActivation: Activation

    /// As DeBERTaV3-base has it, where nothing else is said.
    public init(
        embedding: Int,
        hasPositionTable: Bool = false,
        relative: RelativePositions? = RelativePositions(buckets: 256, maximum: 512),
        normsRelative: Bool = true,
        sharesProjections: Bool = true,
        convolutionWidth: Int = 0,
        poolerDropout: Float = 0
    ) {
        self.embedding = embedding
        self.hasPositionTable = hasPositionTable
        self.relative = relative
        self.normsRelative = normsRelative
        self.sharesProjections = sharesProjections
        self.hasContentToPosition = true
        self.hasPositionToContent = true
        self.convolutionWidth = convolutionWidth
        self.convolutionActivation = .gelu
        self.poolerDropout = poolerDropout
        self.poolerActivation = .gelu
    }

    /// Summands of an attention score. Those that the configuration names count even where it has no relative attention.
    var terms: Int { 1 + (self.hasContentToPosition ? 1 : 0) + (self.hasPositionToContent ? 1 : 0) }

    /// Whether blocks project positions to keys by a layer of their own.
    var hasPositionKey: Bool { self.relative != nil && !self.sharesProjections && self.hasContentToPosition }
    /// Whether blocks project positions to queries by a layer of their own.
    var hasPositionQuery: Bool { self.relative != nil && !self.sharesProjections && self.hasPositionToContent }

    /// - Throws: ``BackboneError`` naming what is out of range or not supported.
    init(_ reader: ConfigurationReader, hidden: Int, heads: Int, positions: Int) throws {
        for (key, value) in [
            ("attention_head_size", max(1, hidden / heads)), ("pooler_hidden_size", hidden), ("conv_groups", 1),
        ] {
            _ = try reader.count(key, value...value, whereAbsent: value)
        }
        let activations = Activation.allCases.map(\.rawValue)
        func activation(_ key: String, whereAbsent: Activation) throws -> Activation {
            try reader.require(key, activations, whereAbsent: whereAbsent.rawValue)
            return (reader.object[key] as? String).flatMap(Activation.init) ?? whereAbsent
        }
        self.embedding = try reader.count("embedding_size", 1...65_536, whereAbsent: hidden)
        self.hasPositionTable = try reader.flag("position_biased_input", whereAbsent: true)
        self.normsRelative = try reader.words("norm_rel_ebd", ["none", "layer_norm"]).contains("layer_norm")
        self.sharesProjections = try reader.flag("share_att_key", whereAbsent: false)
        let types = try reader.words("pos_att_type", ["c2p", "p2c"])
        (self.hasContentToPosition, self.hasPositionToContent) = (types.contains("c2p"), types.contains("p2c"))
        self.relative =
            try reader.flag("relative_attention", whereAbsent: false)
            ? try Self.positions(reader, positions: positions) : nil
        self.convolutionWidth = try reader.count("conv_kernel_size", 0...255, whereAbsent: 0)
        guard self.convolutionWidth == 0 || self.convolutionWidth % 2 == 1 else {
            throw BackboneError(
                path: reader.path,
                "conv_kernel_size is \(self.convolutionWidth); supported: odd numbers, and 0 for none"
            )
        }
        self.convolutionActivation = try activation("conv_act", whereAbsent: .tanh)
        self.poolerDropout = Float(try reader.number("pooler_dropout", 0...0.99, whereAbsent: 0))
        self.poolerActivation = try activation("pooler_hidden_act", whereAbsent: .gelu)
    }

    private static func positions(_ reader: ConfigurationReader, positions: Int) throws -> RelativePositions {
        let given = try reader.count("max_relative_positions", -1...65_536, whereAbsent: -1)
        let maximum = given < 1 ? positions : given
        let buckets = max(0, try reader.count("position_buckets", -1...65_536, whereAbsent: -1))
        // Up to half of the buckets' number distances have rows of their own; beyond it logarithms need a range.
        let isSupported = maximum - 1 > buckets / 2 || positions - 1 <= buckets / 2
        guard buckets == 0 || (buckets >= 2 && isSupported) else {
            throw BackboneError(
                path: reader.path,
                "position_buckets is \(buckets); expected 2 to \(2 * maximum - 3) for \(maximum) relative positions"
            )
        }
        return RelativePositions(buckets: buckets, maximum: maximum)
    }
}

extension EncoderConfiguration {
    var deberta: Deberta? {
        guard case .deberta(let deberta) = self.architecture else { return nil }
        return deberta
    }

    /// Width of the tables of words, positions and types.
    var embedding: Int { self.deberta?.embedding ?? self.hidden }
    var hasPositionTable: Bool { self.deberta?.hasPositionTable ?? true }
    /// Whether the embeddings are projected to the hidden width.
    var projectsEmbeddings: Bool { self.embedding != self.hidden }
}
