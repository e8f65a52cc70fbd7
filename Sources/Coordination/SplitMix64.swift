/// Random numbers that are the same for the same seed, on every machine (Steele et al. 2014, doi:10.1145/2660193.2660195).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    package private(set) var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var bits = (self.state ^ (self.state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }

    /// In 0..<1.
    package mutating func uniform() -> Double { Double(self.next() >> 11) * 0x1p-53 }
}
