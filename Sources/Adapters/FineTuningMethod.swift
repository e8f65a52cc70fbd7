public import Encoders
public import Sweeps

/// How a pretrained encoder is adapted to a task: what of it is trained, what is put at its layers, and what is done to
/// that between the optimiser's steps.
public protocol FineTuningMethod: Sendable {
    /// - Parameter settings: resolved by ``MethodDescription/resolve(_:)``.
    init(_ settings: Settings)

    /// Whether a parameter of the backbone is trained.
    func trains(_ parameter: String) -> Bool

    /// The parameters that it adds, in the order in which they are stored.
    func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration]

    /// The method at work on a network's parameters.
    func adaptation(_ configuration: EncoderConfiguration, store: ParameterStore) -> any Adaptation

    /// Training that follows on the schedule's end; nil where nothing does.
    var laterStages: LaterStages? { get }

    /// How the parameters are optimised that are declared as gates; nil where there are none.
    func gateHyperparameters(_ hyperparameters: Hyperparameters) -> Hyperparameters?

    /// Numbers that a checkpoint and memory hold for each parameter that it adds, beside value, gradient and moments.
    var stateFactor: Int { get }

    /// Floats that its adapters keep for each token of a block in a training pass.
    func keptFloats(_ configuration: EncoderConfiguration) -> Int

    /// What Hugging Face's PEFT says of the method in `adapter_config.json`, and the adapter's tensors; nil where PEFT has
    /// no such method, or the method adds nothing.
    ///
    /// - Parameter steps: of the run that trained it.
    func peftAdapter(_ configuration: EncoderConfiguration, store: ParameterStore, steps: Int) -> PEFTAdapter?

    /// Makes a saved adapter's updates its own, in new parameters, so that the network is what it was there.
    ///
    /// - Parameter updates: by the layer's path.
    /// - Throws: ``InvalidRun`` where they have no place here.
    func takeOver(
        _ updates: [String: SavedUpdate],
        _ configuration: EncoderConfiguration,
        store: ParameterStore
    ) throws(InvalidRun)
}

extension FineTuningMethod {
    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] { [] }
    public func adaptation(_ configuration: EncoderConfiguration, store: ParameterStore) -> any Adaptation {
        TrainableOnly(store: store)
    }
    public var laterStages: LaterStages? { nil }
    public func gateHyperparameters(_ hyperparameters: Hyperparameters) -> Hyperparameters? { nil }
    public var stateFactor: Int { 0 }
    public func keptFloats(_ configuration: EncoderConfiguration) -> Int { 0 }
    public func peftAdapter(_ configuration: EncoderConfiguration, store: ParameterStore, steps: Int) -> PEFTAdapter? {
        nil
    }
    public func takeOver(
        _ updates: [String: SavedUpdate],
        _ configuration: EncoderConfiguration,
        store: ParameterStore
    ) throws(InvalidRun) {
        throw InvalidRun("has low-rank updates, which this method has not: train lora, adalora, sora or alora")
    }
}

/// Every method by its name in grids: a new one is a file, a line here, and its settings in `MethodDescription.all`.
private let methods: [String: any FineTuningMethod.Type] = [
    "full": FullFineTuning.self,
    "bitfit": BitFit.self,
    "houlsby": BottleneckAdapters.self,
    "pfeiffer": BottleneckAdapters.self,
    "lora": LoRA.self,
    "adalora": AdaLoRA.self,
    "sora": SoRA.self,
    "alora": ALoRA.self,
]

/// The method of that name, with its settings.
///
/// - Precondition: `MethodDescription` knows the name.
public func fineTuningMethod(_ name: String, settings: Settings) -> any FineTuningMethod {
    guard let method = methods[name] else { preconditionFailure("no method is called \(name)") }
    return method.init(settings)
}

/// Stages of training after the first, which begin where it left the best parameters.
public struct LaterStages: Hashable, Sendable {
    public var count: Int
    public var epochs: Int
    public var learningRate: StageLearningRate

    public init(count: Int, epochs: Int, learningRate: StageLearningRate) {
        self.count = count
        self.epochs = epochs
        self.learningRate = learningRate
    }
}

/// An adapter as PEFT's files have it.
public struct PEFTAdapter {
    /// `adapter_config.json`, without what a task adds.
    public var configuration: [String: CanonicalJSON]
    /// Our names, shapes and values, row after row.
    public var tensors: [(name: String, shape: [Int], values: [Float])]
}
