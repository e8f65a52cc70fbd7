public import Encoders
internal import Layers
public import Sweeps
internal import Tensors

/// LoRA in the form of a singular value decomposition, whose budget of triplets is spread over the layers by importance
/// and shrinks while training (Zhang et al. 2023, arXiv:2303.10512).
///
///     y += scale * ((dropout(x) Aᵀ) ⊙ E) Bᵀ        scale = alpha / (initialRank + 1e-5)
///
/// `E` starts at zero, `A` and `B` with normal numbers of the deviation 0.02; a penalty keeps A's rows and B's columns
/// orthogonal. A triplet is a row of A, a number of E and a column of B.
public struct AdaLoRA: FineTuningMethod {
    private let settings: LowRankSettings
    fileprivate let plan: AdaLoRAPlan
    private let penalty: OrthogonalPenalty

    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.settings = LowRankSettings(settings, rank: settings.integer("initialRank"), initialization: .normal)
        self.plan = AdaLoRAPlan(settings)
        let weight = settings.number("orthogonalWeight")
        self.penalty =
            switch settings.choice("orthogonalForm") as OrthogonalForm {
            case .normMean: .normMean(weight: weight)
            case .squaredSum: .squaredSum(weight: weight)
            }
    }

    public func trains(_ parameter: String) -> Bool { false }

    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] {
        LayerPlace.all(configuration, targets: self.settings.targets).flatMap { place in
            let (path, widths, rank) = (place.path, place.layer.widths(configuration), self.settings.rank)
            func declare(_ name: String, _ shape: [Int], _ source: ParameterDeclaration.Source) -> ParameterDeclaration
            {
                ParameterDeclaration(name: "\(path).\(name)", shape: shape, source: source, isTrainable: true)
            }
            return [
                declare("lora_A", [rank, widths.input], self.settings.source(width: widths.input)),
                declare("lora_B", [widths.output, rank], self.settings.source(width: widths.output)),
                declare("lora_E", [rank, 1], .zeros),
            ]
        }
    }

    public var stateFactor: Int { 2 }

    public func keptFloats(_ configuration: EncoderConfiguration) -> Int {
        self.settings.keptFloats(configuration)
    }

    public func adaptation(_ configuration: EncoderConfiguration, store: ParameterStore) -> any Adaptation {
        AdaLoRAAdaptation(
            configuration,
            store: store,
            settings: self.settings,
            plan: self.plan,
            penalty: self.penalty
        )
    }
}

extension AdaLoRA {
    /// Triplets at zero are left out; the scale stays that of the initial rank.
    public func peftAdapter(_ configuration: EncoderConfiguration, store: ParameterStore, steps: Int) -> PEFTAdapter? {
        var (tensors, pattern) = ([(name: String, shape: [Int], values: [Float])](), [String: CanonicalJSON]())
        for (place, path, kept) in self.adaptation(configuration, store: store).keptRanks {
            let (a, b) = (store[path + ".lora_A"].value, store[path + ".lora_B"].value)
            let e = store[path + ".lora_E"].value
            tensors += [
                (path + ".lora_A", [kept.count, a.columns], kept.flatMap { Array(a[$0]) }),
                (path + ".lora_B", [b.rows, kept.count], (0..<b.rows).flatMap { row in kept.map { b[row][$0] } }),
                (path + ".lora_E", [kept.count, 1], kept.map { e[$0][0] }),
            ]
            pattern[peftModule(place, configuration) + ".lora_E"] = .array(
                (0..<self.settings.rank).map { .flag(kept.contains($0)) }
            )
        }
        let start = self.plan.initialSteps(of: steps)
        let more: [String: CanonicalJSON] = [
            "init_r": .integer(self.settings.rank),
            "target_r": .integer(self.plan.targetRank),
            "tinit": .integer(start),
            "tfinal": .integer(steps - self.plan.finalStart(of: steps)),
            "deltaT": .integer(self.plan.interval),
            "beta1": .number(self.plan.beta1),
            "beta2": .number(self.plan.beta2),
            "orth_reg_weight": .number(self.penaltyWeight),
            "total_step": .integer(steps),
            "rank_pattern": .object(pattern),
        ]
        let alike = self.settings.peftConfiguration(configuration, type: "ADALORA")
        return PEFTAdapter(configuration: alike.merging(more) { $1 }, tensors: tensors)
    }

    /// Triplets stand where they stood; the others keep their A and B, and E at zero.
    public func takeOver(
        _ updates: [String: SavedUpdate],
        _ configuration: EncoderConfiguration,
        store: ParameterStore
    ) throws(InvalidRun) {
        let limit = (name: "initialRank", value: self.settings.rank)
        for (place, update) in try self.settings.matched(updates, configuration, rank: limit) {
            guard let update else { continue }
            update.put(
                intoA: store.mutableValue(place.path + ".lora_A"),
                b: store.mutableValue(place.path + ".lora_B"),
                columnFactors: update.e.map { _ in 1 }
            )
            let (e, factor) = (
                store.mutableValue(place.path + ".lora_E"), Float(update.scale / self.settings.tripletScale)
            )
            for (index, triplet) in update.places.enumerated() { e[triplet, 0] = update.e[index] * factor }
        }
    }

    /// PEFT has the form `normMean` alone.
    private var penaltyWeight: Double { if case .normMean(let weight) = self.penalty { weight } else { 0 } }
}

extension LowRankSettings {
    /// Of initial rank: it stays as triplets go.
    fileprivate var tripletScale: Double { self.alpha / (Double(self.rank) + 1e-5) }
}

/// When AdaLoRA prunes, and to how many triplets (the release's form of the paper's equation 14).
///
///     b(t) = b0                                                  t <= initialSteps
///            int(bT + (b0 - bT) (1 - (t - initialSteps) / (T - finalSteps - initialSteps))³)
///            bT                                                  t > T - finalSteps
///
/// `t` counts steps from 0. Between the ends it prunes at every multiple of `interval`; at `T - finalSteps`, as PEFT does
/// and the release where `interval` divides that, and after it at every step.
struct AdaLoRAPlan: Hashable, Sendable {
    var targetRank: Int
    var initialSteps: Int?
    var finalSteps: Int?
    var interval: Int
    var beta1: Double
    var beta2: Double

    init(_ settings: ResolvedSettings) {
        self.targetRank = settings.integer("targetRank")
        self.initialSteps = settings.optionalInteger("initialSteps")
        self.finalSteps = settings.optionalInteger("finalSteps")
        self.interval = settings.integer("interval")
        self.beta1 = settings.number("beta1Importance")
        self.beta2 = settings.number("beta2Importance")
    }

    /// Steps before the budget falls.
    func initialSteps(of steps: Int) -> Int { self.initialSteps ?? steps * 15 / 100 }

    /// The step from which on the budget is the final one.
    func finalStart(of steps: Int) -> Int { steps - (self.finalSteps ?? steps * 45 / 100) }

    func check(steps: Int) throws(InvalidRun) {
        let (initial, final) = (self.initialSteps(of: steps), self.finalStart(of: steps))
        guard initial < final else {
            throw InvalidRun(
                "initialSteps \(initial) and finalSteps \(steps - final) leave none of the run's \(steps) steps to prune "
                    + "in; lower them, or leave them out: they are then 15 % and 45 %"
            )
        }
    }

    /// - Returns: how many triplets may stay, and whether the others are pruned after this step.
    func budget(step: Int, steps: Int, initial: Int, final: Int) -> (triplets: Int, prunes: Bool) {
        let (start, end) = (self.initialSteps(of: steps), self.finalStart(of: steps))
        if step >= end { return (final, true) }
        if step <= start { return (initial, false) }
        let rest = 1 - Double(step - start) / Double(end - start)
        return (Int(Double(final) + Double(initial - final) * (rest * rest * rest)), step % self.interval == 0)
    }
}

private final class AdaLoRAAdaptation: LowRankAdaptation {
    private let configuration: EncoderConfiguration
    private let places: [LayerPlace]
    let store: ParameterStore
    let settings: LowRankSettings
    private let plan: AdaLoRAPlan
    private let penalty: OrthogonalPenalty
    /// Of each layer's A, B and E where they stand among the trainable parameters.
    private let ranges: [(a: Range<Int>, b: Range<Int>, e: Range<Int>)]
    /// Of every trainable number of the method.
    private let range: Range<Int>
    /// `[1, range]`: the sensitivity's moving mean, and that of its deviation from it (equations 9 and 10).
    private let sensitivity: Matrix
    private let uncertainty: Matrix

    init(
        _ configuration: EncoderConfiguration,
        store: ParameterStore,
        settings: LowRankSettings,
        plan: AdaLoRAPlan,
        penalty: OrthogonalPenalty
    ) {
        let places = LayerPlace.all(configuration, targets: settings.targets)
        let ranges = places.map { place in
            (
                a: store.range(of: place.path + ".lora_A"), b: store.range(of: place.path + ".lora_B"),
                e: store.range(of: place.path + ".lora_E")
            )
        }
        let range = (ranges.first?.a.lowerBound ?? 0)..<(ranges.last?.e.upperBound ?? 0)
        self.configuration = configuration
        self.places = places
        self.store = store
        self.settings = settings
        self.plan = plan
        self.penalty = penalty
        self.ranges = ranges
        self.range = range
        self.sensitivity = Matrix(rows: 1, columns: range.count)
        self.uncertainty = Matrix(rows: 1, columns: range.count)
    }

    func update(_ place: LayerPlace) -> LowRankUpdate? {
        guard self.places.contains(place) else { return nil }
        let rank = self.settings.rank
        let e = self.store[place.path + ".lora_E"]
        // The same numbers as a row.
        let gate = Parameter(
            name: e.name,
            value: MatrixView(e.value.base, rows: 1, columns: rank),
            gradient: e.gradient.map { MutableMatrixView($0.base, rows: 1, columns: rank) }
        )
        return LowRankUpdate(
            a: self.store[place.path + ".lora_A"],
            b: self.store[place.path + ".lora_B"],
            gate: gate,
            scale: Float(self.settings.tripletScale)
        )
    }

    var readsGradients: Bool { true }

    func check(steps: Int, perEpoch: Int) throws(InvalidRun) { try self.plan.check(steps: steps) }

    func addPenalty(team: Team) -> Double {
        self.penalty.accumulate(
            self.places.flatMap {
                [.rows(self.store[$0.path + ".lora_A"]), .columns(self.store[$0.path + ".lora_B"])]
            },
            team: team
        )
    }

    func update(_ step: FinishedStep, team: Team) {
        if step.index < self.plan.finalStart(of: step.steps) { self.updateImportance(team: team) }
        let (triplets, prunes) = self.plan.budget(
            step: step.index,
            steps: step.steps,
            initial: self.places.count * self.settings.rank,
            final: self.places.count * self.plan.targetRank
        )
        if prunes { self.prune(to: triplets) }
    }

    /// With the updated parameter and the gradient that moved it: `I = |p · dp|`, smoothed.
    private func updateImportance(team: Team) {
        let chunk = 1 << 14
        let values = UnsafeBufferPointer(rebasing: self.store.values.view[0][self.range])
        let gradients = UnsafeBufferPointer(rebasing: self.store.gradients.view[0][self.range])
        let (sensitivity, uncertainty) = (self.sensitivity.mutableView[0], self.uncertainty.mutableView[0])
        team.forEach((self.range.count + chunk - 1) / chunk) { _, item in
            let part = item * chunk..<min((item + 1) * chunk, self.range.count)
            smoothImportance(
                UnsafeBufferPointer(rebasing: values[part]),
                UnsafeBufferPointer(rebasing: gradients[part]),
                UnsafeMutableBufferPointer(rebasing: sensitivity[part]),
                UnsafeMutableBufferPointer(rebasing: uncertainty[part]),
                beta1: self.plan.beta1,
                beta2: self.plan.beta2
            )
        }
    }

    /// Sets E to zero for the least important triplets, all equals of the last of them included. Their gradients and
    /// moments stay: a triplet can come back until it is pruned again.
    private func prune(to triplets: Int) {
        let scores = self.tripletScores()
        let pruned = scores.count - triplets
        guard pruned > 0 else { return }
        let threshold = scores.sorted()[pruned - 1]
        let values = self.store.values.mutableView[0]
        for (index, range) in self.ranges.enumerated() {
            for rank in 0..<self.settings.rank where scores[index * self.settings.rank + rank] <= threshold {
                values[range.e.lowerBound + rank] = 0
            }
        }
    }

    /// A triplet's importance: that of its E, and the means over its row of A and its column of B (equation 7), where an
    /// element's is sensitivity × uncertainty.
    private func tripletScores() -> [Float] {
        let (sensitivity, uncertainty) = (self.sensitivity.view[0], self.uncertainty.view[0])
        let rank = self.settings.rank
        func score(_ index: Int) -> Float {
            let index = index - self.range.lowerBound
            return sensitivity[index] * uncertainty[index]
        }
        return self.ranges.flatMap { range in
            let (input, output) = (range.a.count / rank, range.b.count / rank)
            return (0..<rank).map { triplet in
                var (aSum, bSum) = (0.0, 0.0)
                for i in 0..<input { aSum += Double(score(range.a.lowerBound + triplet * input + i)) }
                for i in 0..<output { bSum += Double(score(range.b.lowerBound + i * rank + triplet)) }
                let means = Float(aSum / Double(input)) + Float(bSum / Double(output))
                return score(range.e.lowerBound + triplet) + means
            }
        }
    }

    var state: [(name: String, values: MutableMatrixView)] {
        [("sensitivity", self.sensitivity.mutableView), ("uncertainty", self.uncertainty.mutableView)]
    }

    var keptRanks: [(place: LayerPlace, path: String, kept: [Int])] {
        let values = self.store.values.view[0]
        return zip(self.places, self.ranges).map { place, range in
            (place, place.path, (0..<self.settings.rank).filter { values[range.e.lowerBound + $0] != 0 })
        }
    }

    var counts: ParameterCounts { AdaLoRA.counts(self.keptRanks.map(\.kept.count), self.settings, self.configuration) }
    var initialCounts: ParameterCounts {
        AdaLoRA.counts(self.places.map { _ in self.settings.rank }, self.settings, self.configuration)
    }
}

extension AdaLoRA {
    /// The release leaves out E.
    static func counts(
        _ ranks: [Int],
        _ settings: LowRankSettings,
        _ configuration: EncoderConfiguration
    ) -> ParameterCounts {
        let count = settings.count(ranks, configuration)
        return ParameterCounts(published: count, exact: count + ranks.reduce(0, +))
    }
}

/// `sensitivity` and `uncertainty` take in one step (equations 8 to 10).
@inline(never)
func smoothImportance(
    _ p: UnsafeBufferPointer<Float>,
    _ g: UnsafeBufferPointer<Float>,
    _ sensitivity: UnsafeMutableBufferPointer<Float>,
    _ uncertainty: UnsafeMutableBufferPointer<Float>,
    beta1: Double,
    beta2: Double
) {
    let (kept1, new1, kept2, new2) = (Float(beta1), Float(1 - beta1), Float(beta2), Float(1 - beta2))
    precondition(p.count == g.count && p.count == sensitivity.count && p.count == uncertainty.count)
    for i in p.indices {
        let importance = abs(p[i] * g[i])
        let mean = kept1 * sensitivity[i] + new1 * importance
        sensitivity[i] = mean
        uncertainty[i] = kept2 * uncertainty[i] + new2 * abs(importance - mean)
    }
}
