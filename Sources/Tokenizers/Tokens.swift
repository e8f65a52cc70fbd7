/// The tokens of one text, without special tokens around it.
public struct Tokens: Hashable, Sendable {
    /// Indices into the vocabulary.
    public var ids: [Int32]
    /// For each id, the Unicode scalars of the text that it stands for, counted from the text's beginning.
    public var offsets: [Range<Int>]

    public init(ids: [Int32], offsets: [Range<Int>]) {
        precondition(ids.count == offsets.count, "\(ids.count) ids and \(offsets.count) places")
        self.ids = ids
        self.offsets = offsets
    }
}

/// Ids with the bytes of the text that they stand for.
struct Pieces: Sendable {
    private(set) var ids: [Int32] = []
    private(set) var ranges: [Range<Int>] = []

    @inline(__always)
    mutating func append(_ id: Int32, _ range: Range<Int>) {
        self.ids.append(id)
        self.ranges.append(range)
    }

    mutating func reserve(_ count: Int) {
        self.ids.reserveCapacity(count)
        self.ranges.reserveCapacity(count)
    }

    /// Changes the ranges of the pieces from `index` on.
    mutating func shift(from index: Int, _ change: (Range<Int>) -> Range<Int>) {
        for index in index..<self.ranges.count { self.ranges[index] = change(self.ranges[index]) }
    }

    /// Turns the pieces from `index` on around.
    mutating func reverse(from index: Int) {
        self.ids[index...].reverse()
        self.ranges[index...].reverse()
    }

    mutating func removeAll() {
        self.ids.removeAll(keepingCapacity: true)
        self.ranges.removeAll(keepingCapacity: true)
    }

    /// With the ranges of bytes of `text` as ranges of scalars: a scalar of which a range has a part belongs to it.
    func tokens(of text: Span<UInt8>) -> Tokens {
        var scalarsBefore: [Int] = []
        scalarsBefore.reserveCapacity(text.count + 1)
        var count = 0
        for offset in text.indices {
            scalarsBefore.append(text[offset] & 0xC0 == 0x80 ? count - 1 : count)
            if text[offset] & 0xC0 != 0x80 { count += 1 }
        }
        scalarsBefore.append(count)
        let offsets = self.ranges.map { range in
            let start = scalarsBefore[range.lowerBound]
            guard !range.isEmpty else { return start..<start }
            return start..<max(start, scalarsBefore[range.upperBound - 1] + 1)
        }
        return Tokens(ids: self.ids, offsets: offsets)
    }
}
