public import Encoders
public import Layers
public import Sweeps
internal import Tensors

/// Low-rank adaptation of frozen linear layers (Hu et al. 2021, arXiv:2106.09685).
///
///     y += scale * (x Aᵀ) Bᵀ        scale = alpha / rank
///
/// `B` starts at zero, so that fresh adapters change nothing; `A` as ``LoRAInitialization`` says, at first uniform in
/// ±1 / sqrt(in), PyTorch's Kaiming-uniform with a = sqrt(5).
public struct LoRA: FineTuningMethod {
    public let rank: Int
    public let alpha: Double
    public let targets: Set<LinearLayer>
    public let initialization: LoRAInitialization

    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.rank = settings.integer("rank")
        self.alpha = settings.number("alpha")
        self.targets = Set(settings.list("targets").compactMap(LinearLayer.init))
        self.initialization = settings.optionalChoice("initialization") ?? .kaimingUniform
    }

    public func trains(_ parameter: String) -> Bool { false }

    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] {
        (0..<configuration.layers).flatMap { block in
            LinearLayer.allCases.filter(self.targets.contains).flatMap { layer in
                let (path, widths) = (layer.path(block: block), layer.widths(configuration))
                return [
                    ParameterDeclaration(
                        name: path + ".lora_A.weight",
                        shape: [self.rank, widths.input],
                        source: self.source(width: widths.input),
                        isTrainable: true
                    ),
                    ParameterDeclaration(
                        name: path + ".lora_B.weight",
                        shape: [widths.output, self.rank],
                        source: .zeros,
                        isTrainable: true
                    ),
                ]
            }
        }
    }

    private func source(width: Int) -> ParameterDeclaration.Source {
        switch self.initialization {
        case .kaimingUniform: .uniform(1 / Float(width).squareRoot())
        case .normal: .normal(0.02)
        case .gaussian: .normal(1 / Double(self.rank))
        }
    }

    public func adapter(block: Int, layer: LinearLayer, store: ParameterStore) -> (any LinearAdapter)? {
        self.update(block: block, layer: layer, store: store)
    }

    private func update(block: Int, layer: LinearLayer, store: ParameterStore) -> LowRankUpdate? {
        guard self.targets.contains(layer) else { return nil }
        let path = layer.path(block: block)
        return LowRankUpdate(
            a: store[path + ".lora_A.weight"],
            b: store[path + ".lora_B.weight"],
            scale: Float(self.alpha) / Float(self.rank)
        )
    }
}

extension LoRA {
    public func peftConfiguration(_ configuration: EncoderConfiguration) -> [String: CanonicalJSON]? {
        // In full, since PEFT takes a bare `output.dense` for the attention's too.
        let layers = LinearLayer.allCases.filter(self.targets.contains).map { layer in
            let published = configuration.publishedName(layer.path(block: 0) + ".weight").dropLast(".weight".count)
            return published.split(separator: ".layer.0.", maxSplits: 1)[1].replacing(".", with: "\\.")
        }
        return [
            "peft_type": .text("LORA"),
            "r": .integer(self.rank),
            "lora_alpha": .number(self.alpha),
            "lora_dropout": .number(0),
            "bias": .text("none"),
            "fan_in_fan_out": .flag(false),
            "target_modules": .text(".*\\.encoder\\.layer\\.\\d+\\.(\(layers.joined(separator: "|")))"),
        ]
    }

    public func mergedWeight(block: Int, layer: LinearLayer, store: ParameterStore) -> [Float]? {
        guard let update = self.update(block: block, layer: layer, store: store) else { return nil }
        let weight = store[layer.path(block: block) + ".weight"].value
        let merged = Matrix(rows: weight.rows, columns: weight.columns)
        merged.mutableView.copy(weight)
        multiply(update.b.value, update.a.value, scale: update.scale, adding: true, into: merged.mutableView)
        return merged.view.values
    }
}

/// One layer's low-rank update. Shapes: `a` is `[rank, in]`, `b` is `[out, rank]`; kept from the forward pass is
/// `x Aᵀ`, `[tokens, rank]`.
struct LowRankUpdate: LinearAdapter {
    let a: Parameter
    let b: Parameter
    let scale: Float

    var savedColumns: Int { self.a.value.rows }

    func forward(_ x: MatrixView, saved: MutableMatrixView, addingTo y: MutableMatrixView) {
        multiply(x, self.a.value, transposing: .second, into: saved)
        multiply(saved.view, self.b.value, transposing: .second, scale: self.scale, adding: true, into: y)
    }

    func backward(_ dy: MatrixView, saved: MatrixView, dSaved: MutableMatrixView, addingTo dx: MutableMatrixView?) {
        multiply(dy, self.b.value, scale: self.scale, into: dSaved)
        if let dx { multiply(dSaved.view, self.a.value, adding: true, into: dx) }
    }

    func accumulateGradients(_ dy: MatrixView, x: MatrixView, saved: MatrixView, dSaved: MatrixView, team: Team) {
        if let dB = self.b.gradient {
            team.forEachSlab(ofRows: dB.rows) { rows in
                multiply(
                    dy.columns(rows),
                    saved,
                    transposing: .first,
                    scale: self.scale,
                    adding: true,
                    into: dB.rows(rows)
                )
            }
        }
        if let dA = self.a.gradient {
            team.forEachSlab(ofColumns: dA.columns) { columns in
                multiply(dSaved, x.columns(columns), transposing: .first, adding: true, into: dA.columns(columns))
            }
        }
    }
}
