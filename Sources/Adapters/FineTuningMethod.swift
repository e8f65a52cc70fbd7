public import Encoders
public import Layers
public import Sweeps

/// How a pretrained encoder is adapted to a task: what of it is trained and what is put beside its layers.
public protocol FineTuningMethod: Sendable {
    /// - Parameter settings: resolved by ``MethodDescription/resolve(_:)``.
    init(_ settings: Settings)

    /// Whether a parameter of the backbone is trained.
    func trains(_ parameter: String) -> Bool

    /// The parameters that it adds, in the order in which they are stored.
    func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration]

    /// What it puts beside a linear layer.
    func adapter(block: Int, layer: LinearLayer, store: ParameterStore) -> (any LinearAdapter)?

    /// What Hugging Face's PEFT says of the method in `adapter_config.json`, without what a task adds; nil where PEFT has
    /// no such method, or the method adds nothing.
    func peftConfiguration(_ configuration: EncoderConfiguration) -> [String: CanonicalJSON]?

    /// The weight of a layer, `[out, in]`, with what stands beside it added; nil where nothing does.
    func mergedWeight(block: Int, layer: LinearLayer, store: ParameterStore) -> [Float]?
}

extension FineTuningMethod {
    public func peftConfiguration(_ configuration: EncoderConfiguration) -> [String: CanonicalJSON]? { nil }
    public func mergedWeight(block: Int, layer: LinearLayer, store: ParameterStore) -> [Float]? { nil }
    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] { [] }
    public func adapter(block: Int, layer: LinearLayer, store: ParameterStore) -> (any LinearAdapter)? { nil }
}

/// Every method by its name in grids: a new one is a file and a line here (and one in `MethodDescription.all`).
private let methods: [String: any FineTuningMethod.Type] = [
    "full": FullFineTuning.self,
    "bitfit": BitFit.self,
    "lora": LoRA.self,
]

/// The method of that name, with its settings.
///
/// - Precondition: `MethodDescription` knows the name.
public func fineTuningMethod(_ name: String, settings: Settings) -> any FineTuningMethod {
    guard let method = methods[name] else { preconditionFailure("no method is called \(name)") }
    return method.init(settings)
}
