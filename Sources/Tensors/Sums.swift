/// Sums and the like over one row: four vectors side by side in a fixed order, since a scalar loop's order of
/// additions keeps the optimiser from vectorising it.
public enum Sums {
    /// Σ f(i) over `0..<count`, `f` given for eight neighbours and for one.
    @inlinable @inline(__always)
    static func accumulate(_ count: Int, _ eight: (Int) -> SIMD8<Float>, _ one: (Int) -> Float) -> Float {
        var (a, b, c, d) = (SIMD8<Float>.zero, SIMD8<Float>.zero, SIMD8<Float>.zero, SIMD8<Float>.zero)
        var i = 0
        while i &+ 32 <= count {
            a += eight(i)
            b += eight(i &+ 8)
            c += eight(i &+ 16)
            d += eight(i &+ 24)
            i &+= 32
        }
        while i &+ 8 <= count {
            a += eight(i)
            i &+= 8
        }
        var sum = ((a + b) + (c + d)).sum()
        while i < count {
            sum += one(i)
            i &+= 1
        }
        return sum
    }

    @inlinable @inline(__always)
    static func load(_ x: UnsafeBufferPointer<Float>, _ i: Int) -> SIMD8<Float> {
        UnsafeRawPointer(x.baseAddress.unsafelyUnwrapped + i).loadUnaligned(as: SIMD8<Float>.self)
    }

    /// Σ x.
    @inline(never)
    public static func sum(_ x: UnsafeBufferPointer<Float>) -> Float {
        self.accumulate(x.count, { self.load(x, $0) }, { x[$0] })
    }

    /// Σ x · y.
    @inline(never)
    public static func dot(_ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>) -> Float {
        precondition(x.count == y.count)
        return self.accumulate(x.count, { self.load(x, $0) * self.load(y, $0) }, { x[$0] * y[$0] })
    }

    /// Σ (x - mean)².
    @inline(never)
    public static func squaredDeviation(_ x: UnsafeBufferPointer<Float>, from mean: Float) -> Float {
        self.accumulate(
            x.count,
            {
                let difference = self.load(x, $0) - mean
                return difference * difference
            },
            { (x[$0] - mean) * (x[$0] - mean) }
        )
    }

    /// Σ x · y · (z - mean).
    @inline(never)
    public static func dot(
        _ x: UnsafeBufferPointer<Float>,
        _ y: UnsafeBufferPointer<Float>,
        _ z: UnsafeBufferPointer<Float>,
        minus mean: Float
    ) -> Float {
        precondition(x.count == y.count && x.count == z.count)
        return self.accumulate(
            x.count,
            { self.load(x, $0) * self.load(y, $0) * (self.load(z, $0) - mean) },
            { x[$0] * y[$0] * (z[$0] - mean) }
        )
    }

    /// The largest element.
    @inline(never)
    public static func maximum(_ x: UnsafeBufferPointer<Float>) -> Float {
        var largest = -Float.infinity
        var i = 0
        if x.count >= 8 {
            var lanes = self.load(x, 0)
            while i &+ 8 <= x.count {
                let next = self.load(x, i)
                lanes = lanes.replacing(with: next, where: next .> lanes)
                i &+= 8
            }
            largest = lanes.max()
        }
        while i < x.count {
            largest = x[i] > largest ? x[i] : largest
            i &+= 1
        }
        return largest
    }
}
