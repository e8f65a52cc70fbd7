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
    private let penalty: OrthogonalPenalty

    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.settings = LowRankSettings(settings, rank: settings.integer("rank"))
        self.penalty = .cosines(weight: settings.optionalNumber("orthogonalWeight") ?? 0)
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
        LoRAAdaptation(configuration, store: store, settings: self.settings, penalty: self.penalty)
    }

    public func peftAdapter(_ configuration: EncoderConfiguration, store: ParameterStore, steps: Int) -> PEFTAdapter? {
        var members = self.settings.peftConfiguration(configuration, type: "LORA")
        members["r"] = .integer(self.settings.rank)
        return PEFTAdapter(
            configuration: members,
            tensors: self.declarations(configuration).map { ($0.name, $0.shape, store[$0.name].value.values) }
        )
    }

    /// Other ranks keep their A, and B at zero.
    public func takeOver(
        _ updates: [String: SavedUpdate],
        _ configuration: EncoderConfiguration,
        store: ParameterStore
    ) throws(InvalidRun) {
        for (place, update) in try self.settings.matched(updates, configuration, rank: ("rank", self.settings.rank)) {
            if let update { self.settings.put(update, at: place, store: store) }
        }
    }
}

private final class LoRAAdaptation: LowRankAdaptation {
    let store: ParameterStore
    let settings: LowRankSettings
    private let places: [LayerPlace]
    private let penalty: OrthogonalPenalty

    init(
        _ configuration: EncoderConfiguration,
        store: ParameterStore,
        settings: LowRankSettings,
        penalty: OrthogonalPenalty
    ) {
        self.store = store
        self.settings = settings
        self.places = LayerPlace.all(configuration, targets: settings.targets)
        self.penalty = penalty
    }

    func update(_ place: LayerPlace) -> LowRankUpdate? {
        self.places.contains(place) ? self.settings.update(place, store: self.store) : nil
    }

    func addPenalty(team: Team) -> Double {
        self.penalty.accumulate(
            self.places.compactMap(self.update).flatMap { [.rows($0.a), .columns($0.b)] },
            team: team
        )
    }

    var keptRanks: [(place: LayerPlace, path: String, kept: [Int])] {
        self.places.map { ($0, $0.path, Array(0..<self.settings.rank)) }
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

    /// Puts a saved update into A and B.
    func put(_ update: SavedUpdate, at place: LayerPlace, store: ParameterStore) {
        let factor = self.rescaling(update)
        update.put(
            intoA: store.mutableValue(place.path + ".lora_A.weight"),
            b: store.mutableValue(place.path + ".lora_B.weight"),
            columnFactors: update.e.map { $0 * factor }
        )
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
