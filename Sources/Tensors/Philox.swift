#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Counter-based random numbers: Philox 4×32 with 10 rounds (Salmon et al. 2011, doi:10.1145/2063384.2063405).
///
/// A number is a function of (seed, stream, position): a resumed run needs no generator state, and threads that
/// draw in any order draw the same.
public struct Philox: Sendable {
    @usableFromInline let key: (UInt32, UInt32)

    public init(seed: UInt64) {
        self.key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    }

    /// Four random words for a counter.
    @inlinable @inline(__always)
    public func block(_ c0: UInt32, _ c1: UInt32, _ c2: UInt32, _ c3: UInt32) -> Words {
        var words: Words = (c0, c1, c2, c3)
        var (k0, k1) = self.key
        // Ten rounds written out: a loop around them would keep the callers' loops from being vectorised.
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        words = Self.round(words, &k0, &k1)
        return words
    }

    public typealias Words = (UInt32, UInt32, UInt32, UInt32)

    @inlinable @inline(__always)
    static func round(_ x: Words, _ k0: inout UInt32, _ k1: inout UInt32) -> Words {
        let left = UInt64(x.0) &* 0xD251_1F53
        let right = UInt64(x.2) &* 0xCD9E_8D57
        defer {
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (
            UInt32(truncatingIfNeeded: right &>> 32) ^ x.1 ^ k0, UInt32(truncatingIfNeeded: right),
            UInt32(truncatingIfNeeded: left &>> 32) ^ x.3 ^ k1, UInt32(truncatingIfNeeded: left)
        )
    }
}

/// One sequence of random numbers: a use (``stream``) at a time (``step``), addressed by position.
public struct RandomStream: Sendable {
    private let generator: Philox
    private let stream: UInt32
    private let step: UInt32

    /// - Parameters:
    ///   - stream: what the numbers are for; each use has its own.
    ///   - step: the training step, the epoch, or 0.
    public init(seed: UInt64, stream: UInt32, step: Int = 0) {
        self.generator = Philox(seed: seed)
        self.stream = stream
        self.step = UInt32(step)
    }

    /// The four words at positions `4 · index ..< 4 · index + 4`.
    public func words(_ index: Int) -> Philox.Words {
        self.generator.block(
            UInt32(truncatingIfNeeded: index),
            UInt32(truncatingIfNeeded: index >> 32),
            self.step,
            self.stream
        )
    }

    /// The word at a position.
    public func word(at position: Int) -> UInt32 {
        let words = self.words(position >> 2)
        return [words.0, words.1, words.2, words.3][position & 3]
    }

    /// Uniform in [0, 1): 24 bits.
    public func uniform(at position: Int) -> Float { Float(self.word(at: position) >> 8) * 0x1p-24 }

    /// A whole number below `bound`, without bias that could be seen (multiply-shift of 64 bits).
    public func integer(below bound: Int, at position: Int) -> Int {
        let words = self.words(position)
        let wide = UInt64(words.0) << 32 | UInt64(words.1)
        return Int(wide.multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A permutation of `0..<count` (Fisher–Yates).
    public func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(i, self.integer(below: i + 1, at: i))
        }
        return order
    }

    /// Standard normal numbers (Box–Muller, in double precision), times `deviation`.
    public func normal(deviation: Double, into values: UnsafeMutableBufferPointer<Float>) {
        for pair in 0..<(values.count + 1) / 2 {
            let words = self.words(pair)
            let radius = (-2 * log((Double(words.0) + 1) * 0x1p-32)).squareRoot() * deviation
            let angle = 2 * Double.pi * Double(words.1) * 0x1p-32
            values[2 * pair] = Float(radius * cos(angle))
            if 2 * pair + 1 < values.count { values[2 * pair + 1] = Float(radius * sin(angle)) }
        }
    }

    /// Uniform numbers in [-bound, bound).
    public func uniform(bound: Float, into values: UnsafeMutableBufferPointer<Float>) {
        for i in values.indices { values[i] = (2 * self.uniform(at: i) - 1) * bound }
    }

    /// Factors that drop elements of a row at random: 0 with probability `rate`, else 1 / (1 - rate).
    ///
    /// Lane `i` of a row gives the columns `i`, `i + q`, `i + 2q`, `i + 3q` with `q` a quarter of the width: the
    /// four words of a counter then go to four runs of neighbours, which vectorises.
    ///
    /// - Parameters:
    ///   - row: what tells this row from the stream's others.
    ///   - factors: one a column; its count must be a multiple of four.
    @inline(never)
    public func dropoutFactors(row: UInt32, rate: Float, into factors: UnsafeMutableBufferPointer<Float>) {
        precondition(factors.count % 4 == 0 && rate >= 0 && rate < 1)
        let quarter = factors.count / 4
        let base = factors.baseAddress.unsafelyUnwrapped
        let (generator, step, stream) = (self.generator, self.step, self.stream)
        let threshold = UInt32(Double(rate) * 0x1p32)
        let kept = 1 / (1 - rate)
        for lane in 0..<quarter {
            let words = generator.block(UInt32(truncatingIfNeeded: lane), row, step, stream)
            base[lane] = words.0 < threshold ? 0 : kept
            base[lane &+ quarter] = words.1 < threshold ? 0 : kept
            base[lane &+ 2 &* quarter] = words.2 < threshold ? 0 : kept
            base[lane &+ 3 &* quarter] = words.3 < threshold ? 0 : kept
        }
    }
}
