public import Encoders
internal import Layers
public import Sweeps
internal import Tensors

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// LoRA with a gate for each rank, which a proximal step drives to zero (Ding et al. 2023, arXiv:2311.11696).
///
///     y += scale * ((dropout(x) Aᵀ) ⊙ g) Bᵀ        scale = alpha / rank
///
/// Gates start with standard normal numbers and have an optimiser of their own. Further stages, where
/// there is a schedule, go on from the best parameters of the first with more and more sparsity.
public struct SoRA: FineTuningMethod {
    private let settings: LowRankSettings
    private let proximal: ProximalRule
    private let l1Weight: Double
    private let gateLearningRate: Double?
    private let gateEpsilon: Double
    /// Of each stage.
    private let sparsities: [Double]
    public let laterStages: LaterStages?

    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.settings = LowRankSettings(settings, rank: settings.integer("rank"))
        self.proximal = settings.choice("proximal")
        self.l1Weight = settings.number("l1Weight")
        self.gateLearningRate = settings.optionalNumber("gateLearningRate")
        self.gateEpsilon = settings.number("gateEpsilon")
        let schedule: SparsitySchedule = settings.choice("schedule")
        let first = settings.number("sparsity")
        let stages = schedule == .none ? 1 : settings.integer("stages")
        self.sparsities = schedule.sparsities(
            from: first,
            to: settings.optionalNumber("maximumSparsity") ?? first,
            count: stages
        )
        self.laterStages =
            schedule == .none
            ? nil
            : LaterStages(
                count: stages - 1,
                epochs: settings.integer("stageEpochs"),
                learningRate: settings.choice("stageLearningRate")
            )
    }

    public func trains(_ parameter: String) -> Bool { false }

    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] {
        LayerPlace.all(configuration, targets: self.settings.targets).flatMap { place in
            self.settings.declarations(place, configuration) + [
                ParameterDeclaration(
                    name: place.path + ".lora_gate",
                    shape: [1, self.settings.rank],
                    source: .normal(1),
                    isTrainable: true,
                    isGate: true
                )
            ]
        }
    }

    public func gateHyperparameters(_ hyperparameters: Hyperparameters) -> Hyperparameters? {
        var own = hyperparameters
        own.learningRate = self.gateLearningRate ?? own.learningRate
        own.adamEpsilon = self.gateEpsilon
        return own
    }

    public func keptFloats(_ configuration: EncoderConfiguration) -> Int {
        self.settings.keptFloats(configuration)
    }

    public func adaptation(_ configuration: EncoderConfiguration, store: ParameterStore) -> any Adaptation {
        SoRAAdaptation(
            configuration,
            store: store,
            settings: self.settings,
            l1Weight: self.l1Weight,
            proximal: self.proximal,
            sparsities: self.sparsities
        )
    }

    public func peftAdapter(_ configuration: EncoderConfiguration, store: ParameterStore, steps: Int) -> PEFTAdapter? {
        self.settings.prunedAdapter(
            self.adaptation(configuration, store: store).keptRanks,
            configuration: configuration
        ) { place in self.settings.update(place, store: store, gate: store[place.path + ".lora_gate"]) }
    }

    /// Gates are 1 at the ranks that are there, and 0 at all others.
    public func takeOver(
        _ updates: [String: SavedUpdate],
        _ configuration: EncoderConfiguration,
        store: ParameterStore
    ) throws(InvalidRun) {
        for (place, update) in try self.settings.matched(updates, configuration, rank: ("rank", self.settings.rank)) {
            let gates = store.mutableValue(place.path + ".lora_gate")
            gates.fill(0)
            guard let update else { continue }
            self.settings.put(update, at: place, store: store)
            for rank in update.places { gates[0, rank] = 1 }
        }
    }
}

extension SparsitySchedule {
    /// The sparsity of each stage, as the release draws them up.
    func sparsities(from first: Double, to last: Double, count: Int) -> [Double] {
        func line(_ first: Double, _ last: Double) -> [Double] {
            (0..<count).map { count == 1 ? first : first + (last - first) * Double($0) / Double(count - 1) }
        }
        switch self {
        case .none, .linear: return line(first, last)
        case .logLinear: return line(exp(first), exp(last)).map { log($0) }
        case .expLinear: return line(log(first), log(last)).map { exp($0) }
        }
    }
}

extension ProximalRule {
    /// One gate after its proximal step.
    func apply(_ gate: Float, threshold: Float) -> Float {
        let size = abs(gate)
        switch self {
        case .paper: return size <= threshold ? 0 : gate - (gate < 0 ? -threshold : threshold)
        case .repo, .repoMultiplyLR:
            // Shrunk where above the threshold, then zero where that left less than it: so it runs in the release.
            guard threshold > 0 else { return gate }
            let shrunk = gate > threshold ? gate - threshold : gate < -threshold ? gate + threshold : gate
            return abs(shrunk) < threshold ? 0 : shrunk
        }
    }
}

private final class SoRAAdaptation: LowRankAdaptation {
    private let configuration: EncoderConfiguration
    private let places: [LayerPlace]
    let store: ParameterStore
    let settings: LowRankSettings
    private let l1Weight: Double
    private let proximal: ProximalRule
    private let sparsities: [Double]
    private let gates: [Range<Int>]

    init(
        _ configuration: EncoderConfiguration,
        store: ParameterStore,
        settings: LowRankSettings,
        l1Weight: Double,
        proximal: ProximalRule,
        sparsities: [Double]
    ) {
        let places = LayerPlace.all(configuration, targets: settings.targets)
        self.configuration = configuration
        self.places = places
        self.store = store
        self.settings = settings
        self.l1Weight = l1Weight
        self.proximal = proximal
        self.sparsities = sparsities
        self.gates = places.map { store.range(of: $0.path + ".lora_gate") }
    }

    func update(_ place: LayerPlace) -> LowRankUpdate? {
        guard self.places.contains(place) else { return nil }
        return self.settings.update(place, store: self.store, gate: self.store[place.path + ".lora_gate"])
    }

    /// `l1Weight · mean |g|` over all gates, with slope 0 at 0.
    func addPenalty(team: Team) -> Double {
        guard self.l1Weight > 0 else { return 0 }
        let (values, gradients) = (self.store.values.view[0], self.store.gradients.mutableView[0])
        let share = self.l1Weight / Double(self.places.count * self.settings.rank)
        var sum = 0.0
        for index in self.gates.joined() {
            let gate = values[index]
            sum += Double(abs(gate))
            if gate != 0 { gradients[index] += Float(gate < 0 ? -share : share) }
        }
        return share * sum
    }

    func update(_ step: FinishedStep, team: Team) {
        let sparsity = self.sparsities[step.stage]
        let threshold = Float(self.proximal == .repo ? sparsity : step.gateLearningRate * sparsity)
        let values = self.store.values.mutableView[0]
        for index in self.gates.joined() {
            values[index] = self.proximal.apply(values[index], threshold: threshold)
        }
    }

    func sparsity(stage: Int) -> Double? { self.sparsities[stage] }

    var keptRanks: [(place: LayerPlace, path: String, kept: [Int])] {
        let values = self.store.values.view[0]
        return zip(self.places, self.gates).map { place, range in
            (place, place.path, (0..<self.settings.rank).filter { values[range.lowerBound + $0] != 0 })
        }
    }

    var counts: ParameterCounts { SoRA.counts(self.keptRanks.map(\.kept.count), self.settings, self.configuration) }
    var initialCounts: ParameterCounts {
        SoRA.counts(self.places.map { _ in self.settings.rank }, self.settings, self.configuration)
    }
}

extension SoRA {
    /// The release counts what A and B had, less twice the hidden width for every gate at zero, also where the layer is
    /// wider.
    static func counts(
        _ ranks: [Int],
        _ settings: LowRankSettings,
        _ configuration: EncoderConfiguration
    ) -> ParameterCounts {
        let zeros = ranks.count * settings.rank - ranks.reduce(0, +)
        let all = settings.count(ranks.map { _ in settings.rank }, configuration)
        return ParameterCounts(
            published: all - zeros * 2 * configuration.hidden,
            exact: settings.count(ranks, configuration)
        )
    }
}
