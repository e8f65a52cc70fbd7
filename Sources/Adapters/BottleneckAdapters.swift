public import Encoders
internal import Layers
public import Sweeps
internal import Tensors

/// Adapters with a bottleneck: those of Houlsby et al. 2019 (arXiv:1902.00751) and of Pfeiffer et al. 2020
/// (arXiv:2005.00247), and any other placement (``AdapterPlacement``).
///
/// Down and up projections begin with normal numbers, their biases at zero: an adapter starts as nearly nothing.
public struct BottleneckAdapters: FineTuningMethod {
    private let size: Int
    private let activation: Activation
    private let placement: AdapterPlacement
    private let targets: Set<LinearLayer>
    private let deviation: Double
    private let trainsNorms: Bool

    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.size = settings.integer("bottleneck")
        self.activation =
            switch settings.choice("activation") as AdapterActivation {
            case .silu: .silu
            case .relu: .relu
            case .gelu: .gelu
            case .geluNew: .geluNew
            }
        self.placement = settings.choice("placement")
        self.targets = Set(settings.list("targets").compactMap(LinearLayer.init))
        self.deviation = settings.number("initialDeviation")
        self.trainsNorms = settings.flag("layerNormTrainable")
    }

    public func trains(_ parameter: String) -> Bool { self.trainsNorms && parameter.contains("LayerNorm.") }

    public func declarations(_ configuration: EncoderConfiguration) -> [ParameterDeclaration] {
        LayerPlace.all(configuration, targets: self.targets).flatMap { place in
            let (path, width) = (place.path + ".adapter", place.layer.widths(configuration).output)
            func declare(_ name: String, _ shape: [Int]) -> ParameterDeclaration {
                ParameterDeclaration(
                    name: "\(path).\(name)",
                    shape: shape,
                    source: shape.count > 1 ? .normal(self.deviation) : .zeros,
                    isTrainable: true
                )
            }
            return [
                declare("down.weight", [self.size, width]), declare("down.bias", [self.size]),
                declare("up.weight", [width, self.size]), declare("up.bias", [width]),
            ]
        }
    }

    public func keptFloats(_ configuration: EncoderConfiguration) -> Int {
        self.targets.reduce(0) { sum, layer in
            let copies = self.placement == .normed ? 2 : 1
            return sum + copies * layer.widths(configuration).output + 2 * self.size
        }
    }

    public func adaptation(_ configuration: EncoderConfiguration, store: ParameterStore) -> any Adaptation {
        let places = LayerPlace.all(configuration, targets: self.targets)
        let additions = places.map { place in
            let path = place.path + ".adapter"
            let adapter = Bottleneck(
                downWeight: store[path + ".down.weight"],
                downBias: store[path + ".down.bias"],
                upWeight: store[path + ".up.weight"],
                upBias: store[path + ".up.bias"],
                activation: self.activation
            )
            let position: LayerAddition.Place =
                switch self.placement {
                case .linear: .after
                case .sublayer: .sublayer
                case .normed: .normed
                }
            return (place, LayerAddition(adapter, place: position))
        }
        return TrainableOnly(store: store, additions: Dictionary(uniqueKeysWithValues: additions))
    }
}

/// One adapter.
///
///     a(x) = f(x Dᵀ + d) Uᵀ + u
///
/// Shapes: `x` is `[rows, width]`, `D` is `[size, width]`, `U` is `[width, size]`; kept from the forward pass are
/// `f(…)` and its slope, `[rows, size]` each.
struct Bottleneck: Adapter {
    let downWeight: Parameter
    let downBias: Parameter
    let upWeight: Parameter
    let upBias: Parameter
    let activation: Activation

    private var size: Int { self.downWeight.value.rows }
    var savedColumns: Int { 2 * self.size }

    func forward(_ x: MatrixView, saved: MutableMatrixView, addingTo y: MutableMatrixView) {
        let (inner, slope) = (saved.columns(0..<self.size), saved.columns(self.size..<2 * self.size))
        multiply(x, self.downWeight.value, transposing: .second, into: slope)
        for row in 0..<x.rows {
            Elementwise.add(self.downBias.value[0], to: slope[row])
            self.activation.forward(slope[row], into: inner[row])
        }
        multiply(inner.view, self.upWeight.value, transposing: .second, adding: true, into: y)
        for row in 0..<y.rows { Elementwise.add(self.upBias.value[0], to: y[row]) }
    }

    func backward(_ dy: MatrixView, saved: MatrixView, dSaved: MutableMatrixView, addingTo dx: MutableMatrixView?) {
        let (slope, dInner) = (saved.columns(self.size..<2 * self.size), dSaved.columns(0..<self.size))
        multiply(dy, self.upWeight.value, into: dInner)
        for row in 0..<dy.rows { Elementwise.multiply(slope[row], into: dInner[row]) }
        if let dx { multiply(dInner.view, self.downWeight.value, adding: true, into: dx) }
    }

    func accumulateGradients(_ dy: MatrixView, x: MatrixView, saved: MatrixView, dSaved: MatrixView, team: Team) {
        accumulateProduct(dy, saved.columns(0..<self.size), into: self.upWeight.gradient, team: team)
        accumulateProduct(dSaved.columns(0..<self.size), x, into: self.downWeight.gradient, team: team)
        if let dUp = self.upBias.gradient { accumulateColumnSums(dy, into: dUp, team: team) }
        if let dDown = self.downBias.gradient {
            accumulateColumnSums(dSaved.columns(0..<self.size), into: dDown, team: team)
        }
    }
}
