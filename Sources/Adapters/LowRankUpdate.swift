internal import Encoders
internal import Layers
internal import Sweeps
internal import Tensors

/// A low-rank update of one linear layer, perhaps with a gate for each rank.
///
///     a(x) = scale * ((x Aᵀ) ⊙ g) Bᵀ        g = 1 where there is none
///
/// Shapes: `x` is `[rows, in]`, `A` is `[rank, in]`, `B` is `[out, rank]`, `g` is `[1, rank]`; kept from the forward pass
/// are `x Aᵀ` and, with a gate, that times the gate, `[rows, rank]` each.
struct LowRankUpdate: Adapter {
    let a: Parameter
    let b: Parameter
    var gate: Parameter?
    let scale: Float

    private var rank: Int { self.a.value.rows }
    var savedColumns: Int { (self.gate == nil ? 1 : 2) * self.rank }

    /// What the second product reads.
    private func gated(_ saved: MatrixView) -> MatrixView { saved.columns(saved.columns - self.rank..<saved.columns) }

    func forward(_ x: MatrixView, saved: MutableMatrixView, addingTo y: MutableMatrixView) {
        let (inner, gated) = (saved.columns(0..<self.rank), saved.columns(saved.columns - self.rank..<saved.columns))
        multiply(x, self.a.value, transposing: .second, into: inner)
        if let gate = self.gate {
            gated.copy(inner.view)
            for row in 0..<x.rows { Elementwise.multiply(gate.value[0], into: gated[row]) }
        }
        multiply(gated.view, self.b.value, transposing: .second, scale: self.scale, adding: true, into: y)
    }

    /// `dSaved` becomes the gradients of `x Aᵀ` and, with a gate, of what it was multiplied to.
    func backward(_ dy: MatrixView, saved: MatrixView, dSaved: MutableMatrixView, addingTo dx: MutableMatrixView?) {
        let dInner = dSaved.columns(0..<self.rank)
        multiply(dy, self.b.value, scale: self.scale, into: dInner)
        if let gate = self.gate {
            dSaved.columns(self.rank..<2 * self.rank).copy(dInner.view)
            for row in 0..<dy.rows { Elementwise.multiply(gate.value[0], into: dInner[row]) }
        }
        if let dx { multiply(dInner.view, self.a.value, adding: true, into: dx) }
    }

    func accumulateGradients(_ dy: MatrixView, x: MatrixView, saved: MatrixView, dSaved: MatrixView, team: Team) {
        accumulateProduct(dy, self.gated(saved), scale: self.scale, into: self.b.gradient, team: team)
        accumulateProduct(dSaved.columns(0..<self.rank), x, into: self.a.gradient, team: team)
        guard let dGate = self.gate?.gradient else { return }
        let (dGated, sums) = (dSaved.columns(self.rank..<2 * self.rank), dGate[0])
        for row in 0..<dGated.rows {
            let (d, inner) = (dGated[row], saved[row])
            for i in sums.indices { sums[i] += d[i] * inner[i] }
        }
    }

    /// `W + scale * B diag(g) A`, row after row.
    func merged(into weight: MatrixView) -> [Float] {
        let merged = Matrix(rows: weight.rows, columns: weight.columns)
        merged.mutableView.copy(weight)
        let b = Matrix(rows: self.b.value.rows, columns: self.rank)
        b.mutableView.copy(self.b.value)
        if let gate = self.gate {
            for row in 0..<b.rows { Elementwise.multiply(gate.value[0], into: b.mutableView[row]) }
        }
        multiply(b.view, self.a.value, scale: self.scale, adding: true, into: merged.mutableView)
        return merged.view.values
    }
}

/// `gradient += scale * dyᵀ x`, by slabs of the gradient's longer side; nothing for what is frozen.
///
/// Shapes: `dy` is `[rows, out]`, `x` is `[rows, in]`, `gradient` is `[out, in]`.
func accumulateProduct(
    _ dy: MatrixView,
    _ x: MatrixView,
    scale: Float = 1,
    into gradient: MutableMatrixView?,
    team: Team
) {
    guard let gradient else { return }
    if gradient.rows >= gradient.columns {
        team.forEachSlab(ofRows: gradient.rows) { rows in
            multiply(dy.columns(rows), x, transposing: .first, scale: scale, adding: true, into: gradient.rows(rows))
        }
    } else {
        team.forEachSlab(ofColumns: gradient.columns) { columns in
            let part = gradient.columns(columns)
            multiply(dy, x.columns(columns), transposing: .first, scale: scale, adding: true, into: part)
        }
    }
}

/// What the methods with low-rank updates have in common.
struct LowRankSettings: Sendable {
    let rank: Int
    let alpha: Double
    let targets: Set<LinearLayer>
    let initialization: LoRAInitialization
    let dropout: Double

    init(_ settings: ResolvedSettings, rank: Int, initialization: LoRAInitialization? = nil) {
        self.rank = rank
        self.alpha = settings.number("alpha")
        self.targets = Set(settings.list("targets").compactMap(LinearLayer.init))
        self.initialization = initialization ?? settings.optionalChoice("initialization") ?? .kaimingUniform
        self.dropout = settings.optionalNumber("loraDropout") ?? 0
    }

    /// What A and B have with these ranks, in the order of ``LayerPlace/all(_:targets:)``.
    func count(_ ranks: [Int], _ configuration: EncoderConfiguration) -> Int {
        let places = LayerPlace.all(configuration, targets: self.targets)
        precondition(places.count == ranks.count, "\(ranks.count) ranks of \(places.count) layers")
        return zip(places, ranks).reduce(0) { sum, layer in
            let widths = layer.0.layer.widths(configuration)
            return sum + layer.1 * (widths.input + widths.output)
        }
    }

    /// How A begins.
    func source(width: Int) -> ParameterDeclaration.Source {
        switch self.initialization {
        case .kaimingUniform: .uniform(1 / Float(width).squareRoot())
        case .normal: .normal(0.02)
        case .gaussian: .normal(1 / Double(self.rank))
        }
    }

    /// See ``FineTuningMethod/keptFloats(_:)``; with gates, and with copies for dropout.
    func keptFloats(_ configuration: EncoderConfiguration, rank: Int? = nil) -> Int {
        self.targets.reduce(0) { sum, layer in
            sum + 2 * (rank ?? self.rank) + (self.dropout > 0 ? layer.widths(configuration).input : 0)
        }
    }

    func addition(_ update: LowRankUpdate) -> LayerAddition {
        LayerAddition(update, place: .beside, dropoutRate: Float(self.dropout))
    }

    /// What PEFT's configurations say alike.
    func peftConfiguration(_ configuration: EncoderConfiguration, type: String) -> [String: CanonicalJSON] {
        // In full, since PEFT takes a bare `output.dense` for the attention's too.
        let layers = LinearLayer.allCases.filter(self.targets.contains).map { layer in
            peftModule(LayerPlace(block: 0, layer: layer), configuration).split(separator: ".layer.0.", maxSplits: 1)[1]
                .replacing(".", with: "\\.")
        }
        return [
            "peft_type": .text(type),
            "lora_alpha": .number(self.alpha),
            "lora_dropout": .number(self.dropout),
            "bias": .text("none"),
            "fan_in_fan_out": .flag(false),
            "target_modules": .text(".*\\.encoder\\.layer\\.\\d+\\.(\(layers.joined(separator: "|")))"),
        ]
    }
}

/// The name that PEFT has for a linear layer.
func peftModule(_ place: LayerPlace, _ configuration: EncoderConfiguration) -> String {
    String(configuration.publishedName(place.path + ".weight").dropLast(".weight".count))
}
