internal import Coordination

/// What a run draws from; the seed is its only identity.
struct SeededGenerator: RandomNumberGenerator {
    private var generator: SplitMix64

    /// Neighbouring seeds must not give the same numbers one place further: they begin far from each other.
    init(seed: UInt64) {
        var spread = SplitMix64(seed: seed)
        self.generator = SplitMix64(seed: spread.next())
    }

    var state: UInt64 { self.generator.state }

    mutating func next() -> UInt64 { self.generator.next() }

    mutating func chance(_ probability: Double) -> Bool { probability > 0 && self.generator.uniform() < probability }

    mutating func number(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &self) }

    /// A waiting time of this mean, exponentially distributed in steps, and at most twenty times it.
    mutating func wait(mean: Int64) -> Int64 {
        var result = self.number(0...max(1, mean))
        var factor: Int64 = 1
        while factor < 20, self.chance(0.37) {
            result += self.number(0...max(1, mean))
            factor += 1
        }
        return result
    }
}
