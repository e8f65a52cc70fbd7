/// The 32-bit Mersenne Twister (Matsumoto, Nishimura 1998), MT19937, which PyTorch's CPU generator is.
struct MersenneTwister {
    private static let size = 624
    private static let offset = 397

    private var state: [UInt32]
    private var position = size

    init(seed: UInt32) {
        self.state = [seed]
        for index in 1..<UInt32(Self.size) {
            let previous = self.state[Int(index) - 1]
            self.state.append(1_812_433_253 &* (previous ^ previous >> 30) &+ index)
        }
    }

    mutating func next() -> UInt32 {
        if self.position == Self.size { self.twist() }
        var value = self.state[self.position]
        self.position += 1
        value ^= value >> 11
        value ^= value << 7 & 0x9D2C_5680
        value ^= value << 15 & 0xEFC6_0000
        return value ^ value >> 18
    }

    private mutating func twist() {
        for index in 0..<Self.size {
            let mixed = self.state[index] & 0x8000_0000 | self.state[(index + 1) % Self.size] & 0x7FFF_FFFF
            let shifted = mixed >> 1 ^ (mixed & 1 == 0 ? 0 : 0x9908_B0DF)
            self.state[index] = self.state[(index + Self.offset) % Self.size] ^ shifted
        }
        self.position = 0
    }
}

/// What `torch.randperm(count, generator=torch.Generator().manual_seed(seed))` gives on the CPU: an arrangement of
/// `0..<count`.
///
/// Holds for `count` below 2³²/20, where PyTorch takes one 32-bit number an exchange.
public func torchPermutation(count: Int, seed: UInt32) -> [Int] {
    precondition(count >= 0 && count < Int(UInt32.max) / 20, "a permutation of \(count)")
    var generator = MersenneTwister(seed: seed)
    var order = Array(0..<count)
    for index in order.indices.dropLast() {
        order.swapAt(index, index + Int(generator.next()) % (count - index))
    }
    return order
}
