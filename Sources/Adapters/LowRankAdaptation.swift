internal import Encoders
internal import Layers

/// What the methods with low-rank updates do alike.
protocol LowRankAdaptation: Adaptation {
    var store: ParameterStore { get }
    var settings: LowRankSettings { get }

    /// The update of a layer as it now is; nil where there is none.
    func update(_ place: LayerPlace) -> LowRankUpdate?
}

extension LowRankAdaptation {
    func addition(block: Int, layer: LinearLayer) -> LayerAddition? {
        self.update(LayerPlace(block: block, layer: layer)).map(self.settings.addition)
    }

    func mergedWeight(block: Int, layer: LinearLayer) -> [Float]? {
        let place = LayerPlace(block: block, layer: layer)
        return self.update(place)?.merged(into: self.store[place.path + ".weight"].value)
    }

    var initialRank: Int { self.settings.rank }
}
