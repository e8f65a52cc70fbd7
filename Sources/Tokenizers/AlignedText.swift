/// Normalised text, well-formed UTF-8, and for each of its bytes the bytes of the original that it came from.
struct AlignedText: Sendable {
    private(set) var bytes: [UInt8] = []
    private(set) var origins: [Range<Int32>] = []

    init() {}

    /// A part of a text as it is: each byte comes from its scalar.
    init(_ text: Span<UInt8>, _ range: Range<Int>) {
        self.reserve(range.count + 8)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let next = scalarEnd(text, at: offset)
            for index in offset..<next { self.append(text[index], from: Int32(offset)..<Int32(next)) }
            offset = next
        }
    }

    mutating func reserve(_ count: Int) {
        self.bytes.reserveCapacity(count)
        self.origins.reserveCapacity(count)
    }

    @inline(__always)
    mutating func append(_ byte: UInt8, from origin: Range<Int32>) {
        self.bytes.append(byte)
        self.origins.append(origin)
    }

    mutating func append(_ some: some Sequence<UInt8>, from origin: Range<Int32>) {
        for byte in some { self.append(byte, from: origin) }
    }

    /// Drops all but these bytes.
    mutating func keep(_ range: Range<Int>) {
        self.bytes.removeSubrange(range.upperBound...)
        self.bytes.removeSubrange(..<range.lowerBound)
        self.origins.removeSubrange(range.upperBound...)
        self.origins.removeSubrange(..<range.lowerBound)
    }

    /// What the bytes of a range came from.
    func origin(of range: Range<Int>) -> Range<Int> {
        let start = Int(self.origins[range.lowerBound].lowerBound)
        return start..<max(start, Int(self.origins[range.upperBound - 1].upperBound))
    }
}

/// Where the scalar that begins at `offset` of well-formed UTF-8 ends.
@inline(__always)
func scalarEnd(_ text: Span<UInt8>, at offset: Int) -> Int {
    switch text[offset] {
    case 0..<0x80: offset + 1
    case 0x80..<0xE0: offset + 2
    case 0xE0..<0xF0: offset + 3
    default: offset + 4
    }
}
