/// SplitMix64: the seed is a run's only identity.
struct SeededGenerator: RandomNumberGenerator {
    private(set) var state: UInt64

    /// Neighbouring seeds must not give the same numbers one place further: they begin far from each other.
    init(seed: UInt64) {
        self.state = seed
        self.state = self.next()
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var bits = (self.state ^ (self.state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }

    mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && Double(self.next() >> 11) * 0x1p-53 < probability
    }

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
