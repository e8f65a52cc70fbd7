internal import Tensors

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A function of each element, by its name in `config.json`.
public enum Activation: String, CaseIterable, Sendable {
    /// The erf form.
    case gelu
    /// The tanh form.
    case geluNew = "gelu_new"
    case relu
    case silu
    case tanh

    /// `y = f(x)`, while `x` becomes the slope `f'(x)`: all that the backward pass needs.
    public func forward(_ x: UnsafeMutableBufferPointer<Float>, into y: UnsafeMutableBufferPointer<Float>) {
        switch self {
        case .gelu: Elementwise.gelu(x, into: y)
        case .geluNew: Elementwise.geluNew(x, into: y)
        case .relu: Elementwise.relu(x, into: y)
        case .silu: Elementwise.silu(x, into: y)
        case .tanh:
            for i in x.indices {
                y[i] = tanhf(x[i])
                x[i] = 1 - y[i] * y[i]
            }
        }
    }
}
