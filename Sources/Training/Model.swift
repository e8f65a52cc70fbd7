public import Adapters
public import Encoders
internal import Layers
internal import Sweeps

/// The network of one shard: a backbone with what the method adds and the task's head, its parameters in memory.
public struct Model {
    public let configuration: EncoderConfiguration
    public let store: ParameterStore
    public let classifier: Classifier
    /// Tensors of the backbone's file that fine-tuning does not use.
    public let skipped: [String]
    /// Parameters of the head that the file lacks: they start from the seed.
    public let initialised: [String]

    /// - Parameters:
    ///   - folder: the backbone's.
    ///   - outputs: of the head.
    ///   - dropout: instead of the backbone's own rates.
    /// - Throws: ``BackboneError`` for a folder that is not a supported backbone.
    public init(folder: String, method: any FineTuningMethod, outputs: Int, dropout: Double?, seed: UInt64) throws {
        var configuration = try EncoderConfiguration(folder: folder)
        if let dropout { configuration = configuration.replacingDropout(Float(dropout)) }
        let weights = try BackboneWeights(folder: folder)
        let encoder = configuration.declarations(trains: method.trains)
        let head = configuration.headDeclarations(
            outputs: outputs,
            poolerInFile: weights.hasPooler(configuration),
            isTrainable: true
        )
        self.skipped = try weights.check(against: encoder + head)
        self.initialised = head.filter { $0.source != .backbone }.map(\.name)
        self.configuration = configuration
        let store = try ParameterStore(
            encoder + method.declarations(configuration) + head,
            backbone: weights,
            seed: seed
        )
        self.store = store
        self.classifier = Classifier(configuration, store: store) { method.adapter(block: $0, layer: $1, store: store) }
    }
}
