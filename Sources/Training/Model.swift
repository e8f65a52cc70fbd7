public import Adapters
public import Encoders
internal import Layers
public import Sweeps
internal import Tensors

/// The network of one shard: a backbone with what the method adds and the task's head, its parameters in memory.
public struct Model {
    public let configuration: EncoderConfiguration
    public let store: ParameterStore
    public let adaptation: any Adaptation
    public private(set) var network: HeadedEncoder
    /// Tensors of the backbone's file that fine-tuning does not use.
    public let skipped: [String]
    /// Parameters of the head that the file lacks, or has in another shape: they start from the seed.
    public let initialised: [String]

    /// - Parameters:
    ///   - folder: the backbone's.
    ///   - head: what the task needs.
    ///   - hyperparameters: of which dropout and whether the head is trained matter here.
    /// - Throws: ``BackboneError`` for a folder that is not a supported backbone.
    public init(
        folder: String,
        method: any FineTuningMethod,
        head: Head,
        hyperparameters: Hyperparameters,
        seed: UInt64
    ) throws {
        var configuration = try EncoderConfiguration(folder: folder)
        if let dropout = hyperparameters.dropout { configuration = configuration.replacingDropout(Float(dropout)) }
        if let dropout = hyperparameters.classifierDropout { configuration.classifierDropout = Float(dropout) }
        let weights = try BackboneWeights(folder: folder)
        let encoder = configuration.declarations(trains: method.trains)
        let headParameters = configuration.headDeclarations(
            head,
            isTrainable: hyperparameters.headTrainable,
            isInFile: weights.has
        )
        self.skipped = try weights.check(against: encoder + headParameters)
        self.initialised = headParameters.filter { $0.source != .backbone }.map(\.name)
        self.configuration = configuration
        let store = try ParameterStore(
            encoder + method.declarations(configuration) + headParameters,
            backbone: weights,
            seed: seed
        )
        self.store = store
        let adaptation = method.adaptation(configuration, store: store)
        adaptation.begin()
        self.adaptation = adaptation
        self.network = HeadedEncoder(configuration, head: head, store: store, additions: adaptation.addition)
    }

    /// Builds the network anew: after what a method adds has changed its shape.
    mutating func rebuild() {
        self.network = HeadedEncoder(
            self.configuration,
            head: self.network.head,
            store: self.store,
            additions: self.adaptation.addition
        )
    }

    /// The gradients of all trainable parameters as a safetensors file, under the names of HF `transformers`; what an
    /// adapter adds has the name that PEFT's files give it, without their `base_model.model.`.
    func gradients() throws -> [UInt8] {
        var writer = SafetensorsWriter(metadata: ["format": "pt"])
        for (declaration, range) in self.store.trainable {
            writer.add(
                self.configuration.publishedName(declaration.name),
                shape: declaration.shape,
                UnsafeBufferPointer(rebasing: self.store.gradients.view[0][range])
            )
        }
        return try writer.bytes()
    }
}
