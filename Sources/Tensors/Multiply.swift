import COpenBLAS
import CProcessor

/// Which factor of a product is taken transposed.
public enum Transposing: Sendable {
    case neither
    case first
    case second
}

/// `c = scale · op(a) op(b)`, or that added to `c`: OpenBLAS `sgemm` on the calling thread.
///
/// Shapes after transposing: `a` is `[m, k]`, `b` is `[k, n]`, `c` is `[m, n]`.
public func multiply(
    _ a: MatrixView,
    _ b: MatrixView,
    transposing: Transposing = .neither,
    scale: Float = 1,
    adding: Bool = false,
    into c: MutableMatrixView
) {
    let (m, k) = transposing == .first ? (a.columns, a.rows) : (a.rows, a.columns)
    let (n, inner) = transposing == .second ? (b.rows, b.columns) : (b.columns, b.rows)
    precondition(
        inner == k && c.rows == m && c.columns == n,
        "product of \(a.rows) × \(a.columns) and \(b.rows) × \(b.columns) into \(c.rows) × \(c.columns)"
    )
    guard m > 0 && n > 0 else { return }
    cblas_sgemm(
        CblasRowMajor,
        transposing == .first ? CblasTrans : CblasNoTrans,
        transposing == .second ? CblasTrans : CblasNoTrans,
        Int32(m),
        Int32(n),
        Int32(k),
        scale,
        a.base,
        Int32(max(1, a.stride)),
        b.base,
        Int32(max(1, b.stride)),
        adding ? 1 : 0,
        c.base,
        Int32(max(1, c.stride))
    )
}

/// The linear algebra library underneath.
public enum BLAS {
    /// Keeps OpenBLAS to the calling thread and says whether it obeyed: our own threads share the work.
    ///
    /// Call it once, before the first product.
    public static func useOneThread() -> Bool {
        openblas_set_num_threads(1)
        return openblas_get_num_threads() == 1
    }

    /// How a build of the library shares out work.
    public enum Threading: String, Sendable {
        case none = "serial"
        case posix = "POSIX threads"
        case openMP = "OpenMP"
    }

    /// What the library that is loaded was built with.
    public static var threading: Threading {
        switch openblas_get_parallel() {
        case 1: .posix
        case 2: .openMP
        default: .none
        }
    }

    /// What decides the bits of a product on this machine: library, kernel and our own instruction set.
    public static var kernelClass: String {
        let version = String(cString: openblas_get_config()).split(separator: " ").prefix(2).joined(separator: " ")
        #if arch(x86_64)
            let instructions = "x86-64-v3"
        #else
            let instructions = "generic"
        #endif
        return "\(version) \(Self.kernels) \(instructions)"
    }

    /// The kernels that products run on, by OpenBLAS's name of the processor that they were written for.
    public static var kernels: String { String(cString: openblas_get_corename()) }

    /// All kernels that a process on this machine can run on: `OPENBLAS_CORETYPE` in its environment chooses.
    ///
    /// OpenBLAS itself does not look whether the processor has what the chosen ones need.
    public static var possibleKernels: Set<String> {
        var names: Set = [Self.kernels]
        #if arch(x86_64)
            guard String(cString: openblas_get_config()).contains("DYNAMIC_ARCH") else { return names }
            // Both need no more than x86-64-v3, which this program needs too.
            names.formUnion(["Haswell", "Zen"])
            if processor_has_avx512() != 0 { names.insert("SkylakeX") }
            if processor_has_avx512_bf16() != 0 { names.insert("Cooperlake") }
        #endif
        return names
    }
}
