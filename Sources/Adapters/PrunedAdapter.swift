internal import Encoders
internal import Layers
internal import Sweeps
internal import Tensors

extension LowRankSettings {
    /// Updates of various ranks as PEFT's LoRA: what is left of each, gates folded into A; `alpha_pattern` keeps each
    /// one's scale, and modules of which nothing is left are not named.
    func prunedAdapter(
        _ ranks: [(place: LayerPlace, path: String, kept: [Int])],
        configuration: EncoderConfiguration,
        scaling: RankScaling = .initial,
        update: (LayerPlace) -> LowRankUpdate
    ) -> PEFTAdapter {
        var (tensors, modules) = ([(name: String, shape: [Int], values: [Float])](), [String]())
        var (rankPattern, alphaPattern) = ([String: CanonicalJSON](), [String: CanonicalJSON]())
        for (place, path, kept) in ranks where !kept.isEmpty {
            let update = update(place)
            let (a, b) = (update.a.value, update.b.value)
            let gate = update.gate.map { Array($0.value[0]) }
            tensors.append(
                (
                    path + ".lora_A.weight", [kept.count, a.columns],
                    kept.flatMap { rank in
                        a[rank].map { $0 * (gate?[rank] ?? 1) }
                    }
                )
            )
            tensors.append(
                (
                    path + ".lora_B.weight", [b.rows, kept.count],
                    (0..<b.rows).flatMap { row in kept.map { b[row][$0] } }
                )
            )
            let module = peftModule(place, configuration)
            modules.append(module)
            rankPattern[module] = .integer(kept.count)
            let share = scaling == .initial ? Double(kept.count) / Double(self.rank) : 1
            alphaPattern[module] = .number(self.alpha * share)
        }
        var members = self.peftConfiguration(configuration, type: "LORA")
        members["r"] = .integer(self.rank)
        members["target_modules"] = .array(modules.map(CanonicalJSON.text))
        members["rank_pattern"] = .object(rankPattern)
        members["alpha_pattern"] = .object(alphaPattern)
        return PEFTAdapter(configuration: members, tensors: tensors)
    }
}
