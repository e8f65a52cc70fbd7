public import Encoders
internal import Layers
public import Sweeps
internal import Tensors

/// LoRA that moves ranks between layers while it trains, by what the network loses without each (Liu et al. 2024,
/// arXiv:2403.16187, algorithm 1).
///
///     y += scale * (dropout(x) Aᵀ) Bᵀ        scale = alpha / initialRank
///
/// After `firstEpochs` and then every `roundEpochs`, `rounds` times: each rank's importance is
/// `IS(r) = S(M) − S(M without r) + S(M with r alone)`, `S` being minus the loss on one fixed batch of validation; the
/// `prunedRanks` least important go, and as many new ones are spread over the layers that lost none, as evenly as can be,
/// the more to those whose ranks are more important on average. Where every layer lost one, none are added. New ranks
/// begin as the first did, with B at zero. What the paper leaves open are settings: how many and among which ranks
/// (`prunedRanks`, `scope`), the scale (`scaling`), moments (`momentReset`), a layer's limit (`maximumRank`).
///
/// A layer's ranks stand first in its A and B; the rest of these is zero and takes no part in the products.
public struct ALoRA: FineTuningMethod {
    private let settings: LowRankSettings
    private let maximumRank: Int
    private let plan: ALoRAPlan
    private let scaling: RankScaling

    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.settings = LowRankSettings(settings, rank: settings.integer("initialRank"))
        self.maximumRank = settings.integer("maximumRank")
        self.plan = ALoRAPlan(
            firstEpochs: settings.number("firstEpochs"),
            roundEpochs: settings.number("roundEpochs"),
            rounds: settings.integer("rounds"),
            prunedRanks: settings.optionalInteger("prunedRanks") ?? self.settings.targets.count,
            importanceExamples: settings.integer("importanceExamples"),
            scope: settings.choice("scope"),
            resetsAllMoments: settings.choice("momentReset") as MomentReset == .all
        )
        self.scaling = settings.choice("scaling")
    }

    public func trains(_ parameter: String) -> Bool { false }

    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] {
        LayerPlace.all(configuration, targets: self.settings.targets).flatMap { place in
            self.settings.declarations(place, configuration).map { declaration in
                var declaration = declaration
                declaration.shape[declaration.name.hasSuffix("lora_A.weight") ? 0 : 1] = self.maximumRank
                return declaration
            }
        }
    }

    public func keptFloats(_ configuration: EncoderConfiguration) -> Int {
        self.settings.keptFloats(configuration, rank: self.maximumRank)
    }

    public func adaptation(_ configuration: EncoderConfiguration, store: ParameterStore) -> any Adaptation {
        ALoRAAdaptation(
            configuration,
            store: store,
            settings: self.settings,
            maximumRank: self.maximumRank,
            plan: self.plan,
            scaling: self.scaling
        )
    }

    public func peftAdapter(_ configuration: EncoderConfiguration, store: ParameterStore, steps: Int) -> PEFTAdapter? {
        self.settings.prunedAdapter(
            self.adaptation(configuration, store: store).keptRanks,
            configuration: configuration,
            scaling: self.scaling
        ) { self.settings.update($0, store: store) }
    }

    /// A layer has the ranks that are there, and no others.
    public func takeOver(
        _ updates: [String: SavedUpdate],
        _ configuration: EncoderConfiguration,
        store: ParameterStore
    ) throws(InvalidRun) {
        let limit = (name: "maximumRank", value: self.maximumRank)
        for (place, update) in try self.settings.matched(updates, configuration, rank: limit) {
            store.mutableValue(place.path + ".lora_A.weight").fill(0)
            guard var update else { continue }
            update.places = Array(0..<update.places.count)
            if self.scaling == .current { update.scale *= Double(update.rank) / Double(self.settings.rank) }
            self.settings.put(update, at: place, store: store)
        }
    }
}

/// When ALoRA re-allocates ranks, and how many.
struct ALoRAPlan: Hashable, Sendable {
    var firstEpochs: Double
    var roundEpochs: Double
    var rounds: Int
    var prunedRanks: Int
    var importanceExamples: Int
    var scope: AllocationScope
    var resetsAllMoments: Bool

    /// The steps before which ranks are re-allocated: one round each, however short an epoch is.
    func steps(perEpoch: Int) -> [Int] {
        (0..<self.rounds).reduce(into: []) { steps, round in
            let epochs = self.firstEpochs + Double(round) * self.roundEpochs
            let step = Int((epochs * Double(perEpoch)).rounded())
            steps.append(max(step, (steps.last ?? -1) + 1))
        }
    }

    func check(steps: Int, perEpoch: Int) throws(InvalidRun) {
        let due = self.steps(perEpoch: perEpoch).filter { $0 < steps }.count
        guard due == self.rounds else {
            throw InvalidRun(
                "the run's \(steps) steps hold \(due) of \(self.rounds) re-allocations; raise epochs, or lower rounds, "
                    + "firstEpochs or roundEpochs"
            )
        }
    }

    /// How many new ranks each layer gets.
    ///
    /// - Parameters:
    ///   - added: to all of them.
    ///   - candidates: layers that lost none, the most important first, with the room that each has.
    static func shares(_ added: Int, candidates: [(layer: Int, room: Int)]) -> [Int: Int] {
        var (shares, rest) = ([Int: Int](), added)
        while rest > 0 {
            let open = candidates.filter { $0.room > shares[$0.layer] ?? 0 }
            if open.isEmpty { break }
            for candidate in open.prefix(rest) { shares[candidate.layer, default: 0] += 1 }
            rest -= min(rest, open.count)
        }
        return shares
    }
}

private final class ALoRAAdaptation: LowRankAdaptation {
    private let configuration: EncoderConfiguration
    private let places: [LayerPlace]
    let store: ParameterStore
    let settings: LowRankSettings
    private let plan: ALoRAPlan
    private let scaling: RankScaling
    /// `[places, maximumRank]`: 1, but for ranks that are left out while importance is measured.
    private let gates: Matrix
    private let ranges: [(a: Range<Int>, b: Range<Int>)]
    private let maximumRank: Int

    init(
        _ configuration: EncoderConfiguration,
        store: ParameterStore,
        settings: LowRankSettings,
        maximumRank: Int,
        plan: ALoRAPlan,
        scaling: RankScaling
    ) {
        let places = LayerPlace.all(configuration, targets: settings.targets)
        self.configuration = configuration
        self.places = places
        self.store = store
        self.settings = settings
        self.plan = plan
        self.scaling = scaling
        self.maximumRank = maximumRank
        self.ranges = places.map {
            (store.range(of: $0.path + ".lora_A.weight"), store.range(of: $0.path + ".lora_B.weight"))
        }
        self.gates = Matrix(rows: places.count, columns: maximumRank)
        self.gates.mutableView.fill(1)
    }

    // MARK: The network

    func begin() {
        for layer in self.places.indices {
            for rank in self.settings.rank..<max(self.settings.rank, self.maximumRank) {
                _ = self.clear(rank, of: layer)
            }
        }
    }

    /// A rank is there where its row of A has a number: none of A's beginnings is all zeros.
    private func rank(of layer: Int) -> Int {
        let a = self.store[self.places[layer].path + ".lora_A.weight"].value
        return (0..<a.rows).last { row in a[row].contains { $0 != 0 } }.map { $0 + 1 } ?? 0
    }

    func update(_ place: LayerPlace) -> LowRankUpdate? {
        guard let layer = self.places.firstIndex(of: place), self.rank(of: layer) > 0 else { return nil }
        let (whole, rank) = (self.settings.update(place, store: self.store), self.rank(of: layer))
        func first(_ parameter: Parameter, _ rows: Range<Int>, _ columns: Range<Int>) -> Parameter {
            Parameter(
                name: parameter.name,
                value: parameter.value.rows(rows).columns(columns),
                gradient: parameter.gradient?.rows(rows).columns(columns)
            )
        }
        return LowRankUpdate(
            a: first(whole.a, 0..<rank, 0..<whole.a.value.columns),
            b: first(whole.b, 0..<whole.b.value.rows, 0..<rank),
            gate: Parameter(name: "gates", value: self.gates.view.rows(layer..<layer + 1).columns(0..<rank)),
            scale: self.scaling == .initial ? whole.scale : Float(self.settings.alpha) / Float(rank)
        )
    }

    // MARK: Re-allocation

    func check(steps: Int, perEpoch: Int) throws(InvalidRun) {
        try self.plan.check(steps: steps, perEpoch: perEpoch)
    }

    func reallocate(before step: UpcomingStep, scorer: any NetworkScorer) -> Reallocation {
        guard let round = self.plan.steps(perEpoch: step.stepsPerEpoch).firstIndex(of: step.index) else { return .none }
        guard let importance = self.importance(scorer) else { return .stopped }
        return .changed(self.reallocate(importance, round: round))
    }

    /// Of every rank of every layer; nil where the run is to stop. Below a rank's block, the network without the rank is the
    /// whole one, and the one with it alone is the backbone.
    private func importance(_ scorer: any NetworkScorer) -> [[Double]]? {
        let gates = self.gates.mutableView
        defer { gates.fill(1) }
        func score(_ prefix: NetworkPrefix?) -> Double? {
            scorer.score(examples: self.plan.importanceExamples, prefix: prefix)
        }
        guard let whole = score(nil) else { return nil }
        var importance: [[Double]] = []
        for (layer, place) in self.places.enumerated() {
            importance.append([])
            for rank in 0..<self.rank(of: layer) {
                gates.fill(1)
                gates[layer, rank] = 0
                guard let without = score(NetworkPrefix(block: place.block, isBare: false)) else { return nil }
                gates.fill(0)
                gates[layer, rank] = 1
                guard let alone = score(NetworkPrefix(block: place.block, isBare: true)) else { return nil }
                importance[layer].append(whole - without + alone)
            }
        }
        return importance
    }

    private func reallocate(_ importance: [[Double]], round: Int) -> [MomentChange] {
        let groups: [[Int]] =
            switch self.plan.scope {
            case .network: [Array(self.places.indices)]
            case .block:
                Dictionary(grouping: self.places.indices) { self.places[$0].block }.values.sorted { $0[0] < $1[0] }
            }
        let changes = groups.flatMap { self.reallocate(importance, among: $0, round: round) }
        guard self.plan.resetsAllMoments else { return changes }
        return self.ranges.flatMap { Array($0.a) + Array($0.b) }.map(MomentChange.reset)
    }

    private func reallocate(_ importance: [[Double]], among layers: [Int], round: Int) -> [MomentChange] {
        let ranks = layers.flatMap { layer in importance[layer].indices.map { (layer: layer, rank: $0) } }
        let order = ranks.indices.sorted { left, right in
            let (l, r) = (ranks[left], ranks[right])
            return (importance[l.layer][l.rank], left) < (importance[r.layer][r.rank], right)
        }
        let pruned = order.prefix(self.plan.prunedRanks).map { ranks[$0] }
        // From the last, so that what moves into a gap is never pruned itself.
        let changes = pruned.sorted { ($0.layer, $0.rank) > ($1.layer, $1.rank) }
            .flatMap { self.remove($0.rank, of: $0.layer) }
        let losers = Set(pruned.map(\.layer))
        func mean(_ values: [Double]) -> Double {
            values.isEmpty ? -.infinity : values.reduce(0, +) / Double(values.count)
        }
        let candidates = layers.filter { !losers.contains($0) }
            .sorted { (mean(importance[$0]), $1) > (mean(importance[$1]), $0) }
            .map { (layer: $0, room: self.maximumRank - self.rank(of: $0)) }
        for (layer, share) in ALoRAPlan.shares(pruned.count, candidates: candidates).sorted(by: { $0.key < $1.key }) {
            self.add(share, to: layer, round: round)
        }
        return changes
    }

    /// Puts the last rank in the place of one that goes.
    private func remove(_ rank: Int, of layer: Int) -> [MomentChange] {
        let (last, values) = (self.rank(of: layer) - 1, self.store.values.mutableView[0])
        var changes: [MomentChange] = []
        if last != rank {
            for (from, to) in zip(self.places(of: last, layer), self.places(of: rank, layer)) {
                values[to] = values[from]
                changes.append(.move(from: from, to: to))
            }
        }
        return changes + self.clear(last, of: layer)
    }

    private func clear(_ rank: Int, of layer: Int) -> [MomentChange] {
        self.places(of: rank, layer).map { index in
            self.store.values.mutableView[0][index] = 0
            return .reset(index)
        }
    }

    /// Where the numbers of a rank stand among the trainable parameters: its row of A, then its column of B.
    private func places(of rank: Int, _ layer: Int) -> [Int] {
        let (a, b) = self.ranges[layer]
        let input = a.count / self.maximumRank
        return Array(a.lowerBound + rank * input..<a.lowerBound + (rank + 1) * input)
            + stride(from: b.lowerBound + rank, to: b.upperBound, by: self.maximumRank)
    }

    /// A's rows are drawn anew, B's columns are zero already, as are both's moments.
    private func add(_ count: Int, to layer: Int, round: Int) {
        let first = self.rank(of: layer)
        let name = self.places[layer].path + ".lora_A.weight"
        let input = self.ranges[layer].a.count / self.maximumRank
        let start = self.ranges[layer].a.lowerBound + first * input
        let rows = UnsafeMutableBufferPointer(
            rebasing: self.store.values.mutableView[0][start..<start + count * input]
        )
        self.store.draw(self.settings.source(width: input), name: name, step: round + 1, into: rows)
    }

    // MARK: What it comes to

    var keptRanks: [(place: LayerPlace, path: String, kept: [Int])] {
        self.places.indices.map { (self.places[$0], self.places[$0].path, Array(0..<self.rank(of: $0))) }
    }

    var counts: ParameterCounts { self.counts(self.places.indices.map(self.rank)) }
    var initialCounts: ParameterCounts { self.counts(self.places.map { _ in self.settings.rank }) }

    private func counts(_ ranks: [Int]) -> ParameterCounts {
        let count = self.settings.count(ranks, self.configuration)
        return ParameterCounts(published: count, exact: count)
    }
}
