public import Encoders
internal import Layers
public import Sweeps
internal import Tensors

/// Low-rank adaptation of frozen linear layers (Hu et al. 2021, arXiv:2106.09685).
///
///     y += scale * (dropout(x) Aᵀ) Bᵀ        scale = alpha / rank
///
/// `B` starts at zero, so that fresh adapters change nothing; `A` as ``LoRAInitialization`` says, at first uniform in
/// ±1 / sqrt(in), PyTorch's Kaiming-uniform with a = sqrt(5).
public struct LoRA: FineTuningMethod {
    private let settings: LowRankSettings
    private let orthogonalWeight: Double

    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.settings = LowRankSettings(settings, rank: settings.integer("rank"))
        self.orthogonalWeight = settings.optionalNumber("orthogonalWeight") ?? 0
    }

    public func trains(_ parameter: String) -> Bool { false }

    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] {
        LayerPlace.all(configuration, targets: self.settings.targets).flatMap { place in
            self.settings.declarations(place, configuration)
        }
    }

    public func keptFloats(_ configuration: EncoderConfiguration) -> Int {
        self.settings.keptFloats(configuration)
    }

    public func adaptation(_ configuration: EncoderConfiguration, store: ParameterStore) -> any Adaptation {
        let places = LayerPlace.all(configuration, targets: self.settings.targets)
        return LoRAAdaptation(
            store: store,
            settings: self.settings,
            updates: places.map { ($0, self.settings.update($0, store: store)) },
            orthogonalWeight: self.orthogonalWeight
        )
    }

    public func peftAdapter(_ configuration: EncoderConfiguration, store: ParameterStore, steps: Int) -> PEFTAdapter? {
        var members = self.settings.peftConfiguration(configuration, type: "LORA")
        members["r"] = .integer(self.settings.rank)
        return PEFTAdapter(
            configuration: members,
            tensors: self.declarations(configuration).map { ($0.name, $0.shape, store[$0.name].value.values) }
        )
    }
}

private final class LoRAAdaptation: Adaptation {
    private let store: ParameterStore
    private let settings: LowRankSettings
    private let updates: [(place: LayerPlace, update: LowRankUpdate)]
    private let byPlace: [LayerPlace: LowRankUpdate]
    private let orthogonalWeight: Double

    init(
        store: ParameterStore,
        settings: LowRankSettings,
        updates: [(LayerPlace, LowRankUpdate)],
        orthogonalWeight: Double
    ) {
        self.store = store
        self.settings = settings
        self.updates = updates
        self.byPlace = Dictionary(uniqueKeysWithValues: updates)
        self.orthogonalWeight = orthogonalWeight
    }

    func addition(block: Int, layer: LinearLayer) -> LayerAddition? {
        self.byPlace[LayerPlace(block: block, layer: layer)].map(self.settings.addition)
    }

    func mergedWeight(block: Int, layer: LinearLayer) -> [Float]? {
        let place = LayerPlace(block: block, layer: layer)
        return self.byPlace[place]?.merged(into: self.store[place.path + ".weight"].value)
    }

    func addPenalty(team: Team) -> Double {
        let factors = self.updates.flatMap { [Factor.rows($0.update.a), .columns($0.update.b)] }
        return OrthogonalPenalty.cosines(weight: self.orthogonalWeight).accumulate(factors, team: team)
    }

    var initialRank: Int { self.settings.rank }

    var keptRanks: [(place: LayerPlace, path: String, kept: [Int])] {
        self.updates.map { ($0.place, $0.place.path, Array(0..<self.settings.rank)) }
    }

    var counts: ParameterCounts {
        let count = self.store.trainableCounts.method
        return ParameterCounts(published: count, exact: count)
    }
}

extension LowRankSettings {
    /// A and B of a layer.
    func declarations(_ place: LayerPlace, _ configuration: EncoderConfiguration) -> [ParameterDeclaration] {
        let widths = place.layer.widths(configuration)
        return [
            ParameterDeclaration(
                name: place.path + ".lora_A.weight",
                shape: [self.rank, widths.input],
                source: self.source(width: widths.input),
                isTrainable: true
            ),
            ParameterDeclaration(
                name: place.path + ".lora_B.weight",
                shape: [widths.output, self.rank],
                source: .zeros,
                isTrainable: true
            ),
        ]
    }

    func update(_ place: LayerPlace, store: ParameterStore, gate: Parameter? = nil) -> LowRankUpdate {
        LowRankUpdate(
            a: store[place.path + ".lora_A.weight"],
            b: store[place.path + ".lora_B.weight"],
            gate: gate,
            scale: Float(self.alpha) / Float(self.rank)
        )
    }
}
