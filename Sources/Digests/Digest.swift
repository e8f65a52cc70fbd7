/// A SHA-256 digest: the address of a blob, the key of a shard, the name of a file's content.
public struct Digest: Hashable, Comparable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// The number of bytes of a digest.
    public static let byteCount = 32

    /// The bytes in four words, the first byte highest: in place, since tables of a hundred thousand are keyed by them.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// The digest's 32 bytes.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for word in [self.words.0, self.words.1, self.words.2, self.words.3] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        return bytes
    }

    /// - Precondition: `bytes` holds exactly ``byteCount`` bytes.
    public init(bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a digest has 32 bytes, not \(bytes.count)")
        func word(_ index: Int) -> UInt64 {
            bytes[8 * index..<8 * index + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.words = (word(0), word(1), word(2), word(3))
    }

    /// Reads 64 hexadecimal digits of lower case; anything else gives `nil`.
    public init?(_ hexadecimal: String) {
        var digits = hexadecimal.utf8.makeIterator()
        func word() -> UInt64? {
            var word: UInt64 = 0
            for _ in 0..<16 {
                guard let digit = digits.next(), let value = Self.value(of: digit) else { return nil }
                word = word << 4 | UInt64(value)
            }
            return word
        }
        guard let first = word(), let second = word(), let third = word(), let fourth = word(), digits.next() == nil
        else { return nil }
        self.words = (first, second, third, fourth)
    }

    /// 64 hexadecimal digits of lower case.
    public var description: String {
        String(unsafeUninitializedCapacity: 2 * Self.byteCount) { buffer in
            var index = 0
            for word in [self.words.0, self.words.1, self.words.2, self.words.3] {
                for shift in stride(from: 60, through: 0, by: -4) {
                    let digit = UInt8(truncatingIfNeeded: word >> shift & 15)
                    buffer[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                    index += 1
                }
            }
            return index
        }
    }

    /// The first eight digits: for people, in lists and logs.
    public var short: String { String(self.description.prefix(8)) }

    public static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

    public static func < (left: Digest, right: Digest) -> Bool { left.words < right.words }

    public func hash(into hasher: inout Hasher) {
        for word in [self.words.0, self.words.1, self.words.2, self.words.3] { hasher.combine(word) }
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

extension Digest: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = Digest(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "\"\(text.prefix(80))\" is no SHA-256 digest: 64 hexadecimal digits"
            )
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}
