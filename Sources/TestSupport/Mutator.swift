/// Damages valid encodings the way disks, networks and people who mean harm do. The same seed gives the same damage.
public struct Mutator: Sendable {
    private enum Change: CaseIterable {
        case flipBit, setByte, cut, extend, remove, double, splice, swap, setNumber, setDecimal
    }

    /// What a field that holds a length might be set to.
    private static let numbers: [UInt64] = [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 20, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 40,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF,
    ]
    /// The same in text.
    private static let decimals = [
        "0", "-1", "1", "00", "0.5", "-0.0", "1e999", "1e-999", "2147483648", "4294967296", "1099511627776",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615",
        "18446744073709551616", "NaN", "inf", "null", "true", "[]", "{}", "\"\"",
    ].map { Array($0.utf8) }
    private static let changesLimit = 4
    /// Of a mutant, beyond the longest valid encoding.
    private static let growthBytesLimit = 16 << 10

    private var random: SplitMix64

    public init(seed: UInt64) { self.random = SplitMix64(seed: seed) }

    /// One of the encodings with one to four changes; parts of the others may get into it.
    public mutating func mutant(of valid: [[UInt8]]) -> [UInt8] {
        guard var bytes = valid.randomElement(using: &self.random) else { preconditionFailure("nothing to damage") }
        let limit = bytes.count + Self.growthBytesLimit
        for _ in 0..<Int.random(in: 1...Self.changesLimit, using: &self.random) {
            self.change(&bytes, valid)
            if bytes.count > limit { bytes.removeLast(bytes.count - limit) }
        }
        return bytes
    }

    /// A number below a bound, for what else a test draws.
    public mutating func number(below bound: Int) -> Int { Int.random(in: 0..<bound, using: &self.random) }

    private mutating func change(_ bytes: inout [UInt8], _ valid: [[UInt8]]) {
        guard let change = Change.allCases.randomElement(using: &self.random) else { return }
        guard !bytes.isEmpty || change == .extend || change == .splice else { return }
        switch change {
        case .flipBit: bytes[self.place(in: bytes)] ^= 1 << UInt8.random(in: 0..<8, using: &self.random)
        case .setByte: bytes[self.place(in: bytes)] = UInt8.random(in: 0...255, using: &self.random)
        case .cut: bytes.removeLast(bytes.count - self.place(in: bytes))
        case .extend:
            let count = Int.random(in: 1...64, using: &self.random)
            for _ in 0..<count { bytes.append(UInt8.random(in: 0...255, using: &self.random)) }
        case .remove: bytes.removeSubrange(self.span(in: bytes, longest: 64))
        case .double: self.double(&bytes)
        case .splice:
            guard let other = valid.randomElement(using: &self.random), !other.isEmpty else { return }
            let (head, tail) = (bytes.isEmpty ? 0 : self.place(in: bytes), self.place(in: other))
            bytes = Array(bytes[..<head] + other[tail...])
        case .swap: self.swap(&bytes)
        case .setNumber: self.setNumber(&bytes)
        case .setDecimal: self.setDecimal(&bytes)
        }
    }

    /// An index; every other time near the beginning, where headers are.
    private mutating func place(in bytes: [UInt8]) -> Int {
        let end = Bool.random(using: &self.random) ? min(bytes.count, 32) : bytes.count
        return Int.random(in: 0..<end, using: &self.random)
    }

    private mutating func span(in bytes: [UInt8], longest: Int) -> Range<Int> {
        let start = self.place(in: bytes)
        return start..<start + Int.random(in: 1...min(longest, bytes.count - start), using: &self.random)
    }

    /// Repeats a span, now and then often enough to nest deeply whatever nests.
    private mutating func double(_ bytes: inout [UInt8]) {
        let span = self.span(in: bytes, longest: 16)
        let times = Int.random(in: 0..<8, using: &self.random) == 0 ? 2000 : 1
        let repeated = Array(repeating: Array(bytes[span]), count: times).joined()
        bytes.insert(contentsOf: repeated.prefix(Self.growthBytesLimit), at: span.upperBound)
    }

    private mutating func swap(_ bytes: inout [UInt8]) {
        let (first, second) = (self.place(in: bytes), self.place(in: bytes))
        bytes.swapAt(first, second)
    }

    /// Writes an extreme number of 1, 2, 4 or 8 bytes, in either byte order.
    private mutating func setNumber(_ bytes: inout [UInt8]) {
        let width = 1 << Int.random(in: 0...3, using: &self.random)
        let place = self.place(in: bytes)
        let isBigEndian = Bool.random(using: &self.random)
        let number = Self.numbers.randomElement(using: &self.random) ?? 0
        for index in 0..<width where place + index < bytes.count {
            let shift = 8 * (isBigEndian ? width - 1 - index : index)
            bytes[place + index] = UInt8(truncatingIfNeeded: number >> UInt64(shift))
        }
    }

    /// Puts another number, or another kind of value, in the place of a run of decimal digits.
    private mutating func setDecimal(_ bytes: inout [UInt8]) {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let place = Int.random(in: 0..<bytes.count, using: &self.random)
        guard let start = bytes[place...].firstIndex(where: digits.contains) else { return }
        let end = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.count
        bytes.replaceSubrange(start..<end, with: Self.decimals.randomElement(using: &self.random) ?? [])
    }
}
