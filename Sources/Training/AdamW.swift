public import Encoders
public import Sweeps
public import Tensors

/// AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) over all trainable parameters in one pass, which also clips
/// their gradients and sets these to zero.
///
/// `adamW` is PyTorch's form: `p *= 1 - lr·wd`, then `p -= lr · m̂ / (sqrt(v̂) + ε)`. `adamWTransformers` is that of
/// transformers up to 4.x: `p -= lr · sqrt(1-β2ᵗ)/(1-β1ᵗ) · m / (sqrt(v) + ε)`, then `p -= lr·wd·p`.
public struct AdamW: ~Copyable {
    /// `[1, trainable]`
    public let firstMoments: Matrix
    public let secondMoments: Matrix
    private let hyperparameters: Hyperparameters
    /// Of the parameters that are gates.
    private let gates: Hyperparameters?

    /// Elements that one item of work takes; sums of squares are added up item by item.
    private static let chunk = 1 << 15

    public init(count: Int, _ hyperparameters: Hyperparameters, gates: Hyperparameters? = nil) {
        self.firstMoments = Matrix(rows: 1, columns: count)
        self.secondMoments = Matrix(rows: 1, columns: count)
        self.hyperparameters = hyperparameters
        self.gates = gates
    }

    /// Takes one step.
    ///
    /// - Parameters:
    ///   - step: counted from 1.
    ///   - keepsGradients: leaves them as clipped, instead of zeros.
    /// - Returns: the gradients' global L2 norm before clipping.
    @discardableResult
    public borrowing func update(
        _ store: ParameterStore,
        step: Int,
        learningRate: Double,
        gateLearningRate: Double = 0,
        keepsGradients: Bool = false,
        team: Team
    ) -> Double {
        let gradients = store.gradients.mutableView[0]
        let norm = Self.norm(UnsafeBufferPointer(gradients), team: team)
        let clip = self.hyperparameters.gradientClip
        let factor = clip > 0 ? min(1, clip / (norm + 1e-6)) : 1
        let chunks = Self.chunks(store)
        let (values, first, second) = (
            store.values.mutableView[0], self.firstMoments.mutableView[0], self.secondMoments.mutableView[0]
        )
        func coefficients(_ hyperparameters: Hyperparameters, _ learningRate: Double, decays: Bool) -> Coefficients {
            Coefficients(
                hyperparameters,
                step: step,
                learningRate: learningRate,
                factor: factor,
                decays: decays,
                keepsGradients: keepsGradients
            )
        }
        let decaying = coefficients(self.hyperparameters, learningRate, decays: true)
        let plain = coefficients(self.hyperparameters, learningRate, decays: false)
        let gates = coefficients(self.gates ?? self.hyperparameters, gateLearningRate, decays: false)
        team.forEach(chunks.count) { _, index in
            let (range, declaration) = chunks[index]
            Self.update(
                UnsafeMutableBufferPointer(rebasing: values[range]),
                UnsafeMutableBufferPointer(rebasing: gradients[range]),
                UnsafeMutableBufferPointer(rebasing: first[range]),
                UnsafeMutableBufferPointer(rebasing: second[range]),
                declaration.isGate ? gates : declaration.decays ? decaying : plain
            )
        }
        return norm
    }

    /// What one step's formula needs beside the arrays; both forms are the same loop with other coefficients.
    private struct Coefficients {
        let factor, kept1, new1, kept2, new2, rate, rootScale, epsilon, decayBefore, decayAfter: Float
        let keepsGradients: Bool

        init(
            _ hyperparameters: Hyperparameters,
            step: Int,
            learningRate: Double,
            factor: Double,
            decays: Bool,
            keepsGradients: Bool
        ) {
            let correction1 = 1 - power(hyperparameters.beta1, step)
            let correction2 = (1 - power(hyperparameters.beta2, step)).squareRoot()
            let kept = decays ? 1 - learningRate * hyperparameters.weightDecay : 1
            self.factor = Float(factor)
            self.keepsGradients = keepsGradients
            // Both shares are rounded from double precision: 1 - Float(0.999) is off by 1.3e-5 of itself.
            (self.kept1, self.new1) = (Float(hyperparameters.beta1), Float(1 - hyperparameters.beta1))
            (self.kept2, self.new2) = (Float(hyperparameters.beta2), Float(1 - hyperparameters.beta2))
            self.epsilon = Float(hyperparameters.adamEpsilon)
            switch hyperparameters.optimizer {
            case .adamW:
                self.rate = Float(learningRate / correction1)
                self.rootScale = Float(1 / correction2)
                (self.decayBefore, self.decayAfter) = (Float(kept), 1)
            case .adamWTransformers:
                self.rate = Float(learningRate * correction2 / correction1)
                self.rootScale = 1
                (self.decayBefore, self.decayAfter) = (1, Float(kept))
            }
        }
    }

    @inline(never)
    private static func update(
        _ p: UnsafeMutableBufferPointer<Float>,
        _ g: UnsafeMutableBufferPointer<Float>,
        _ m: UnsafeMutableBufferPointer<Float>,
        _ v: UnsafeMutableBufferPointer<Float>,
        _ c: Coefficients
    ) {
        precondition(p.count == g.count && p.count == m.count && p.count == v.count)
        for i in p.indices {
            let gradient = g[i] * c.factor
            g[i] = c.keepsGradients ? gradient : 0
            m[i] = c.kept1 * m[i] + c.new1 * gradient
            v[i] = c.kept2 * v[i] + c.new2 * gradient * gradient
            let move = c.rate * m[i] / (v[i].squareRoot() * c.rootScale + c.epsilon)
            p[i] = (p[i] * c.decayBefore - move) * c.decayAfter
        }
    }

    private static func chunks(_ store: ParameterStore) -> [(Range<Int>, ParameterDeclaration)] {
        store.trainable.flatMap { entry in
            stride(from: entry.range.lowerBound, to: entry.range.upperBound, by: Self.chunk).map {
                ($0..<min($0 + Self.chunk, entry.range.upperBound), entry.declaration)
            }
        }
    }

    private static func norm(_ gradients: UnsafeBufferPointer<Float>, team: Team) -> Double {
        let items = (gradients.count + Self.chunk - 1) / Self.chunk
        let sums = Matrix(rows: 1, columns: items)
        let target = sums.mutableView[0]
        team.forEach(items) { _, item in
            let range = item * Self.chunk..<min((item + 1) * Self.chunk, gradients.count)
            let part = UnsafeBufferPointer(rebasing: gradients[range])
            target[item] = Sums.dot(part, part)
        }
        return target.reduce(0.0) { $0 + Double($1) }.squareRoot()
    }
}

/// base^exponent by squaring: the same bits everywhere.
private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, factor, rest) = (1.0, base, exponent)
    while rest > 0 {
        if rest & 1 == 1 { result *= factor }
        factor *= factor
        rest >>= 1
    }
    return result
}
