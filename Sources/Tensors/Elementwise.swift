// Scalar code that the optimiser turns into vector code: no branches, no traps, no calls in the loops.

/// `exp(x)` with a relative error below 2e-7 for x in [-87, 88]; below that it is next to nothing.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2; exp(r) by its series, 2^n through the exponent's bits.
@inlinable @inline(__always)
func exponential(_ x: Float) -> Float {
    let clamped = max(-87, min(88, x))
    // Adding 1.5 · 2^23 rounds to a whole number, which then stands in the low bits.
    let shifted = (clamped * 1.442_695_04).addingProduct(1, 12_582_912)
    let n = shifted - 12_582_912
    // ln 2 in two parts, so that r keeps its last bits.
    let r = clamped.addingProduct(n, -0.693_359_375).addingProduct(n, 2.121_944_4e-4)
    var p: Float = 1.0 / 5040
    p = Float(1.0 / 720).addingProduct(p, r)
    p = Float(1.0 / 120).addingProduct(p, r)
    p = Float(1.0 / 24).addingProduct(p, r)
    p = Float(1.0 / 6).addingProduct(p, r)
    p = Float(0.5).addingProduct(p, r)
    p = Float(1).addingProduct(p, r)
    p = Float(1).addingProduct(p, r)
    let exponent = (shifted.bitPattern &- 0x4B40_0000 &+ 127) &<< 23
    return p * Float(bitPattern: exponent)
}

/// The standard normal distribution function and density at x.
///
/// In the form of Abramowitz & Stegun 7.1.26 with two more terms, fitted by least squares: the error is that of rounding
/// to 32 bits. Both share one exponential.
@inlinable @inline(__always)
func normal(_ x: Float) -> (distribution: Float, density: Float) {
    let z = abs(x) * 0.707_106_77
    let t = 1 / Float(1).addingProduct(z, 0.455)
    var p: Float = 0.046_809_997
    p = Float(-0.242_286_49).addingProduct(p, t)
    p = Float(0.404_047_22).addingProduct(p, t)
    p = Float(-0.161_725_49).addingProduct(p, t)
    p = Float(0.216_847_32).addingProduct(p, t)
    p = Float(0.105_843_335).addingProduct(p, t)
    p = Float(0.130_464_11).addingProduct(p, t)
    let e = exponential(-z * z)
    let tail = p * t * e
    return (x < 0 ? tail : 1 - tail, 0.398_942_28 * e)
}

/// Kernels over rows and whole buffers.
public enum Elementwise {
    /// `y = gelu(x) = x Φ(x)`, the erf form (Hendrycks & Gimpel 2016, arXiv:1606.08415), while `x` becomes
    /// `gelu'(x) = Φ(x) + x φ(x)`: all that the backward pass needs, and both come from one exponential.
    @inline(never)
    public static func gelu(_ x: UnsafeMutableBufferPointer<Float>, into y: UnsafeMutableBufferPointer<Float>) {
        precondition(x.count == y.count)
        for i in x.indices {
            let (distribution, density) = normal(x[i])
            y[i] = x[i] * distribution
            x[i] = distribution.addingProduct(x[i], density)
        }
    }

    /// `y = x (1 + tanh u) / 2` with `u = sqrt(2 / π) (x + 0.044715 x³)`, gelu's tanh form, while `x` becomes its slope.
    @inline(never)
    public static func geluNew(_ x: UnsafeMutableBufferPointer<Float>, into y: UnsafeMutableBufferPointer<Float>) {
        precondition(x.count == y.count)
        for i in x.indices {
            let value = x[i]
            let square = value * value
            let u = 0.797_884_56 * value * Float(1).addingProduct(0.044_715, square)
            // (1 + tanh u) / 2 is the logistic function at 2 u.
            let half = 1 / (1 + Tensors.exponential(-2 * u))
            let slope = 0.797_884_56 * Float(1).addingProduct(0.134_145, square)
            y[i] = value * half
            x[i] = half + 2 * value * half * (1 - half) * slope
        }
    }

    /// `y = max(x, 0)`, while `x` becomes its slope: 0 at 0.
    @inline(never)
    public static func relu(_ x: UnsafeMutableBufferPointer<Float>, into y: UnsafeMutableBufferPointer<Float>) {
        precondition(x.count == y.count)
        for i in x.indices {
            y[i] = x[i] > 0 ? x[i] : 0
            x[i] = x[i] > 0 ? 1 : 0
        }
    }

    /// `y = x / (1 + exp(-x))` (Elfwing et al. 2017, arXiv:1702.03118), while `x` becomes its slope.
    @inline(never)
    public static func silu(_ x: UnsafeMutableBufferPointer<Float>, into y: UnsafeMutableBufferPointer<Float>) {
        precondition(x.count == y.count)
        for i in x.indices {
            let logistic = 1 / (1 + Tensors.exponential(-x[i]))
            y[i] = x[i] * logistic
            x[i] = logistic * Float(1).addingProduct(x[i], 1 - logistic)
        }
    }

    /// `y += x`.
    @inline(never)
    public static func add(_ x: UnsafeBufferPointer<Float>, to y: UnsafeMutableBufferPointer<Float>) {
        precondition(x.count == y.count)
        for i in x.indices { y[i] += x[i] }
    }

    /// `y *= x`.
    @inline(never)
    public static func multiply(_ x: UnsafeBufferPointer<Float>, into y: UnsafeMutableBufferPointer<Float>) {
        precondition(x.count == y.count)
        for i in x.indices { y[i] *= x[i] }
    }

    /// `x` becomes `exp(x - shift)`.
    @inline(never)
    public static func exponential(_ x: UnsafeMutableBufferPointer<Float>, minus shift: Float) {
        for i in x.indices { x[i] = Tensors.exponential(x[i] - shift) }
    }

    /// `x *= scale`.
    @inline(never)
    public static func scale(_ x: UnsafeMutableBufferPointer<Float>, by scale: Float) {
        for i in x.indices { x[i] *= scale }
    }
}
