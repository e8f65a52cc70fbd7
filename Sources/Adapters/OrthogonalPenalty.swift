internal import Layers
internal import Tensors

/// One factor of a low-rank update, whose vectors a penalty keeps orthogonal.
enum Factor: Sendable {
    /// A: `[rank, in]`.
    case rows(Parameter)
    /// B: `[out, rank]`.
    case columns(Parameter)

    var parameter: Parameter {
        switch self {
        case .rows(let parameter), .columns(let parameter): parameter
        }
    }

    /// `F Fᵀ` of rows, `Fᵀ F` of columns: `[rank, rank]`.
    fileprivate var products: Matrix {
        let value = self.parameter.value
        switch self {
        case .rows:
            let products = Matrix(rows: value.rows, columns: value.rows)
            multiply(value, value, transposing: .second, into: products.mutableView)
            return products
        case .columns:
            let products = Matrix(rows: value.columns, columns: value.columns)
            multiply(value, value, transposing: .first, into: products.mutableView)
            return products
        }
    }

    /// Adds `scale · M F` (of rows) or `scale · F M` (of columns) to the gradient; `M` is symmetric.
    fileprivate func addGradient(_ m: MatrixView, scale: Float) {
        guard let gradient = self.parameter.gradient else { return }
        let value = self.parameter.value
        switch self {
        case .rows: multiply(m, value, scale: scale, adding: true, into: gradient)
        case .columns: multiply(value, m, scale: scale, adding: true, into: gradient)
        }
    }
}

/// A part of the loss that keeps the factors of low-rank updates orthogonal. With `M` a factor's products:
enum OrthogonalPenalty: Sendable {
    /// `weight · mean ‖M − I‖`, Frobenius norms, over all factors: AdaLoRA's release, and PEFT.
    case normMean(weight: Double)
    /// `weight · Σ ‖M − I‖²`: AdaLoRA's paper (arXiv:2303.10512), equation 4.
    case squaredSum(weight: Double)
    /// `weight · mean (Σ_i≠j |M_ij| / (n_i n_j)) / (r² − r)`, where `n` are the vectors' lengths: the regulariser that
    /// AdaLoRA's release offers for LoRA. The gradient of `|cos|` by one of its vectors is
    /// `sign(M_ij) f_j / (n_i n_j) − |cos_ij| f_i / n_i²`.
    case cosines(weight: Double)

    /// Adds to the factors' gradients.
    ///
    /// - Returns: the penalty.
    func accumulate(_ gather: @autoclosure () -> [Factor], team: Team) -> Double {
        guard self.weight > 0 else { return 0 }
        let factors = gather()
        let values = Matrix(rows: 1, columns: factors.count)
        let target = values.mutableView[0]
        team.forEach(factors.count) { _, index in
            target[index] = Float(self.accumulate(factors[index], share: 1 / Double(factors.count)))
        }
        return target.reduce(0.0) { $0 + Double($1) }
    }

    private var weight: Double {
        switch self {
        case .normMean(let weight), .squaredSum(let weight), .cosines(let weight): weight
        }
    }

    /// - Parameter share: of one factor in a mean.
    private func accumulate(_ factor: Factor, share: Double) -> Double {
        let products = factor.products
        let m = products.mutableView
        switch self {
        case .normMean(let weight):
            Self.subtractIdentity(m)
            let norm = Self.squaredNorm(m.view).squareRoot()
            if norm > 0 { factor.addGradient(m.view, scale: Float(2 * weight * share / norm)) }
            return weight * share * norm
        case .squaredSum(let weight):
            Self.subtractIdentity(m)
            factor.addGradient(m.view, scale: Float(4 * weight))
            return weight * Self.squaredNorm(m.view)
        case .cosines(let weight):
            let rank = m.rows
            guard rank > 1 else { return 0 }
            let scale = weight * share / Double(rank * rank - rank)
            let sum = Self.replaceByCosineSlopes(m)
            // Each pair stands in the sum twice.
            factor.addGradient(m.view, scale: Float(2 * scale))
            return scale * sum
        }
    }

    private static func subtractIdentity(_ m: MutableMatrixView) {
        for i in 0..<m.rows { m[i, i] -= 1 }
    }

    private static func squaredNorm(_ m: MatrixView) -> Double {
        (0..<m.rows).reduce(0.0) { $0 + m[$1].reduce(0.0) { $0 + Double($1) * Double($1) } }
    }

    /// `M` becomes the matrix whose product with the factor is half the gradient of `Σ_i≠j |cos_ij|`.
    ///
    /// - Returns: that sum.
    private static func replaceByCosineSlopes(_ m: MutableMatrixView) -> Double {
        let lengths = (0..<m.rows).map { Double(m[$0, $0]).squareRoot() }
        var sum = 0.0
        for i in 0..<m.rows {
            var own = 0.0
            for j in 0..<m.rows where j != i {
                let product = Double(m[i, j])
                let lengthProduct = lengths[i] * lengths[j] + 1e-30
                own += abs(product) / lengthProduct
                m[i, j] = Float((product == 0 ? 0 : product.sign == .minus ? -1 : 1) / lengthProduct)
            }
            m[i, i] = lengths[i] > 0 ? Float(-own / (lengths[i] * lengths[i])) : 0
            sum += own
        }
        return sum
    }
}
