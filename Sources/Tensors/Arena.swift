#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Memory for what one pass over a batch computes: taken piece by piece, given back all at once or down to a mark,
/// and kept for the next pass, so that training allocates nothing after its first steps.
///
/// It is one reserved range of addresses; the system gives it memory where it is first written, so that the largest
/// pass decides what it costs. One thread takes and releases; what was taken may be written by many.
public final class Arena {
    private let base: UnsafeMutablePointer<Float>
    private let capacity: Int
    private var used = 0

    /// Addresses, not memory: 256 GiB where the system lets us, less where it does not.
    private static let reservedBytes = 256 << 30

    public init() {
        var bytes = Self.reservedBytes
        while true {
            let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            if let memory, memory != MAP_FAILED {
                self.capacity = bytes / MemoryLayout<Float>.stride
                self.base = memory.bindMemory(to: Float.self, capacity: self.capacity)
                return
            }
            precondition(bytes > 1 << 28, "no addresses for activations: \(String(cString: strerror(errno)))")
            bytes /= 2
        }
    }

    deinit { munmap(self.base, self.capacity * MemoryLayout<Float>.stride) }

    /// Where a later ``release(to:)`` goes back to.
    public struct Mark {
        fileprivate let used: Int
    }

    public var mark: Mark { Mark(used: self.used) }

    /// Gives back everything that was taken since.
    public func release(to mark: Mark) {
        precondition(mark.used <= self.used, "a mark above what is taken")
        self.used = mark.used
    }

    /// Gives back everything.
    public func reset() { self.used = 0 }

    /// A matrix whose content is not defined, aligned to 64 bytes.
    public func matrix(rows: Int, columns: Int) -> MutableMatrixView {
        let matrix = MutableMatrixView(self.base + self.used, rows: rows, columns: columns)
        self.used += (rows * columns + 15) / 16 * 16
        precondition(self.used <= self.capacity, "activations need more than \(self.capacity) floats")
        return matrix
    }

    /// A matrix of zeros.
    public func zeros(rows: Int, columns: Int) -> MutableMatrixView {
        let matrix = self.matrix(rows: rows, columns: columns)
        matrix.base.update(repeating: 0, count: rows * columns)
        return matrix
    }
}
