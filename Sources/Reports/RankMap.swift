import Sweeps

/// The ranks that finished shards kept, by block and matrix: what a method with a rank for each layer makes of them.
public struct RankMap: Hashable, Sendable {
    /// What it is of, in one line.
    let title: String
    let runs: Int
    /// In ascending order, numbered as in the backbone's files.
    let blocks: [Int]
    /// In the order of the forward pass.
    let layers: [String]
    /// The mean over the runs, by block and layer; `nil` where nothing is adapted.
    let kept: [[Double?]]
    /// The largest rank that a layer began with.
    let initial: Int
    /// Ranks of a run, all layers together: at first, and the mean at the end.
    let initialTotal: Int
    let keptTotal: Double

    /// - Throws: ``RanksMissing`` where a run has no ranks, or began with others than the first.
    public init(_ runs: [RunReport.Run]) throws(RanksMissing) {
        var initials: [Place: Int] = [:]
        var sums: [Place: Int] = [:]
        for run in runs {
            guard let ranks = run.result.ranks, !ranks.isEmpty else {
                throw RanksMissing("\(run.name) tells no ranks; name shards of a method that has them, such as sora")
            }
            let begun = Dictionary(ranks.map { (Place($0), $0.initial) }) { $1 }
            if initials.isEmpty { initials = begun }
            guard begun == initials else {
                throw RanksMissing("\(runs[0].name) and \(run.name) began with different ranks; show them one by one")
            }
            for layer in ranks { sums[Place(layer), default: 0] += layer.final }
        }
        let names = Set(initials.keys.map(\.layer))
        let layers = MethodDescription.linearLayers.filter(names.contains)
        let blocks = Set(initials.keys.map(\.block)).sorted()
        (self.title, self.runs, self.blocks, self.layers) = (Self.title(runs), runs.count, blocks, layers)
        self.kept = blocks.map { block in
            layers.map { layer in sums[Place(block: block, layer: layer)].map { Double($0) / Double(runs.count) } }
        }
        self.initial = initials.values.max() ?? 0
        self.initialTotal = initials.values.reduce(0, +)
        self.keptTotal = Double(sums.values.reduce(0, +)) / Double(max(runs.count, 1))
    }

    private struct Place: Hashable {
        let block: Int
        let layer: String

        init(block: Int, layer: String) { (self.block, self.layer) = (block, layer) }
        init(_ ranks: LayerRanks) { self.init(block: ranks.block, layer: ranks.layer) }
    }

    /// `Kept ranks of rte/sora/0`, `Kept ranks of rte/sora: mean of 5 shards`.
    private static func title(_ runs: [RunReport.Run]) -> String {
        guard runs.count > 1 else { return "Kept ranks of \(oneLine(runs.first?.name ?? "nothing", limit: 80))" }
        let cells = runs.map { $0.name.split(separator: "/").dropLast().joined(separator: "/") }.withoutRepetitions
        let named =
            cells.prefix(3).map { oneLine($0, limit: 80) } + (cells.count > 3 ? ["\(cells.count - 3) more"] : [])
        return "Kept ranks of \(named.joined(separator: ", ")): mean of \(runs.count) shards"
    }

    /// Where the scale ends: at the initial rank, or above it where a layer was given more.
    var scaleEnd: Int { max(self.initial, Int(self.kept.joined().compactMap(\.self).max()?.rounded(.up) ?? 0), 1) }

    /// The shade of a rank, from 0 to 1.
    func shade(_ rank: Double) -> Double { rank / Double(self.scaleEnd) }

    /// A rank as it stands in the picture: whole for one run, else with a decimal.
    func written(_ rank: Double) -> String { fixed(rank, self.runs > 1 ? 1 : 0) }

    /// What all layers together kept.
    var summary: String { "\(self.written(self.keptTotal)) of \(self.initialTotal) ranks kept" }
}

/// Runs whose ranks make no picture, and why.
public struct RanksMissing: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
