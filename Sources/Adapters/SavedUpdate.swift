internal import Encoders
internal import Layers
internal import Tensors

/// The low-rank update of one linear layer in a saved adapter.
///
///     y += scale * ((x Aᵀ) ⊙ e) Bᵀ        A: [rank, in]   B: [out, rank]   e: [rank]
public struct SavedUpdate: Hashable, Sendable {
    /// Row after row.
    public var a: [Float]
    public var b: [Float]
    /// 1 where the file has none.
    public var e: [Float]
    public var scale: Double
    /// Which of the ranks that the layer had at first these are, from the first on.
    public var places: [Int]

    public init(a: [Float], b: [Float], e: [Float], scale: Double, places: [Int]) {
        (self.a, self.b, self.e, self.scale, self.places) = (a, b, e, scale, places)
    }

    var rank: Int { self.e.count }
}

extension LowRankSettings {
    /// What a saved adapter has for each layer that this method adapts; nil where it has nothing.
    ///
    /// - Parameters:
    ///   - updates: by the layer's path.
    ///   - rank: the most that a layer has here, and the setting's name. Where a saved place is beyond it, a layer's ranks
    ///     stand first.
    /// - Throws: ``InvalidRun`` for a layer that is adapted there and not here, of other widths or with more ranks.
    func matched(
        _ updates: [String: SavedUpdate],
        _ configuration: EncoderConfiguration,
        rank: (name: String, value: Int)
    ) throws(InvalidRun) -> [(place: LayerPlace, update: SavedUpdate?)] {
        let places = LayerPlace.all(configuration, targets: self.targets)
        if let other = Set(updates.keys).subtracting(places.map(\.path)).min() {
            throw InvalidRun("has an update of \(other), which is none of the targets here: add it to targets")
        }
        var matched: [(place: LayerPlace, update: SavedUpdate?)] = []
        for place in places {
            var update = updates[place.path]
            if let saved = update {
                let widths = place.layer.widths(configuration)
                guard saved.a.count == saved.rank * widths.input, saved.b.count == saved.rank * widths.output else {
                    throw InvalidRun(
                        "its update of \(place.path) is not \(widths.input) wide and \(widths.output) high as this "
                            + "backbone's layer: give the backbone that it was trained with"
                    )
                }
                guard saved.rank <= rank.value else {
                    throw InvalidRun(
                        "has rank \(saved.rank) at \(place.path) and \(rank.name) is \(rank.value): raise it"
                    )
                }
                if saved.places.contains(where: { $0 >= rank.value }) { update?.places = Array(0..<saved.rank) }
            }
            matched.append((place, update))
        }
        return matched
    }

    /// The factor by which B grows where the scale here is another than the saved one.
    func rescaling(_ update: SavedUpdate) -> Float { Float(update.scale / (self.alpha / Double(self.rank))) }
}

extension SavedUpdate {
    /// Puts its ranks at their places in A and B; what stands at other places stays.
    ///
    /// - Parameter columnFactors: of B's columns.
    func put(intoA a: MutableMatrixView, b: MutableMatrixView, columnFactors: [Float]) {
        for (index, place) in self.places.enumerated() {
            for column in 0..<a.columns { a[place, column] = self.a[index * a.columns + column] }
            for row in 0..<b.rows { b[row, place] = self.b[row * self.rank + index] * columnFactors[index] }
        }
    }
}
