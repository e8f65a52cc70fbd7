/// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) of bytes: of all adjacent symbols, the pair that was
/// learned first becomes one, the leftmost first, until no pair is known.
struct BytePairModel: Sendable {
    struct Merge: Hashable, Sendable {
        var rank: Int32
        var id: Int32
    }

    /// What the search for pairs works on, so that a text allocates once.
    struct Scratch {
        fileprivate var symbols: [Symbol] = []
        fileprivate var queue: [UInt64] = []
    }

    fileprivate struct Symbol {
        var id: Int32
        /// Where it ends in the word; 0 where it has become part of another.
        var end: Int32
        var previous: Int32
        var next: Int32
    }

    /// The symbol of each byte, or -1 where the vocabulary lacks it.
    private let byteIDs: [Int32]
    private let unknownID: Int32?
    private let fusesUnknown: Bool
    private let merges: PairTable
    /// Words that end up as one symbol: most of a text needs no search.
    private var words = ByteTrie()

    /// - Parameters:
    ///   - vocabulary: tokens as bytes.
    ///   - unknownID: for bytes that the vocabulary lacks; without it they are dropped.
    init(
        vocabulary: [(bytes: [UInt8], id: Int32)],
        merges: [(first: Int32, second: Int32, id: Int32)],
        unknownID: Int32?,
        fusesUnknown: Bool
    ) {
        var byteIDs = [Int32](repeating: -1, count: 256)
        for (bytes, id) in vocabulary where bytes.count == 1 { byteIDs[Int(bytes[0])] = id }
        self.byteIDs = byteIDs
        self.unknownID = unknownID
        self.fusesUnknown = fusesUnknown
        var table = PairTable(capacity: merges.count)
        for (rank, merge) in merges.enumerated() {
            table.insert(merge.first, merge.second, Merge(rank: Int32(rank), id: merge.id))
        }
        self.merges = table
        var scratch = Scratch()
        var pieces = Pieces()
        for (bytes, id) in vocabulary where bytes.count <= Self.wordBytesLimit {
            pieces.removeAll()
            self.search(bytes.span, 0..<bytes.count, &scratch, into: &pieces)
            if pieces.ids == [id] { self.words.insert(bytes, id: id) }
        }
    }

    private static let wordBytesLimit = 256

    /// Appends the pieces of the word that `range` is of `text`.
    @inline(__always)
    func append(_ text: Span<UInt8>, _ range: Range<Int>, _ scratch: inout Scratch, to pieces: inout Pieces) {
        if let match = self.words.longestMatch(text, range), match.end == range.upperBound {
            pieces.append(match.id, range)
        } else {
            self.search(text, range, &scratch, into: &pieces)
        }
    }

    private func search(_ text: Span<UInt8>, _ range: Range<Int>, _ scratch: inout Scratch, into pieces: inout Pieces) {
        self.fill(&scratch, text, range)
        for index in scratch.symbols.indices.dropLast() { self.enqueue(index, &scratch) }
        while let entry = scratch.queue.popMinimum() {
            let index = Int(entry & 0xFFFF_FFFF)
            let symbol = scratch.symbols[index]
            guard symbol.end > 0, symbol.next >= 0 else { continue }
            let following = scratch.symbols[Int(symbol.next)]
            // A pair that has changed since it was queued was queued again as what it is now.
            guard let merge = self.merges[symbol.id, following.id], UInt64(merge.rank) == entry >> 32 else { continue }
            scratch.symbols[Int(symbol.next)].end = 0
            scratch.symbols[index] = Symbol(
                id: merge.id,
                end: following.end,
                previous: symbol.previous,
                next: following.next
            )
            if following.next >= 0 {
                scratch.symbols[Int(following.next)].previous = Int32(index)
                self.enqueue(index, &scratch)
            }
            if symbol.previous >= 0 { self.enqueue(Int(symbol.previous), &scratch) }
        }
        var start = range.lowerBound
        var index: Int32 = scratch.symbols.isEmpty ? -1 : 0
        while index >= 0 {
            let symbol = scratch.symbols[Int(index)]
            let end = range.lowerBound + Int(symbol.end)
            pieces.append(symbol.id, start..<end)
            start = end
            index = symbol.next
        }
    }

    private func fill(_ scratch: inout Scratch, _ text: Span<UInt8>, _ range: Range<Int>) {
        scratch.symbols.removeAll(keepingCapacity: true)
        scratch.queue.removeAll(keepingCapacity: true)
        var lastIsUnknown = false
        for offset in range {
            let known = self.byteIDs[Int(text[offset])]
            guard let id = known >= 0 ? known : self.unknownID else { continue }
            let count = Int32(scratch.symbols.count)
            let end = Int32(offset + 1 - range.lowerBound)
            if known < 0, lastIsUnknown, self.fusesUnknown {
                scratch.symbols[Int(count) - 1].end = end
            } else {
                scratch.symbols.append(Symbol(id: id, end: end, previous: count - 1, next: count + 1))
            }
            lastIsUnknown = known < 0
        }
        if !scratch.symbols.isEmpty { scratch.symbols[scratch.symbols.count - 1].next = -1 }
    }

    @inline(__always)
    private func enqueue(_ index: Int, _ scratch: inout Scratch) {
        let symbol = scratch.symbols[index]
        guard symbol.next >= 0 else { return }
        if let merge = self.merges[symbol.id, scratch.symbols[Int(symbol.next)].id] {
            scratch.queue.pushMinimum(UInt64(merge.rank) << 32 | UInt64(index))
        }
    }
}

/// What each known pair of symbols becomes: an open hash table.
private struct PairTable: Sendable {
    private var keys: [UInt64]
    private var values: [BytePairModel.Merge]
    private let shift: UInt64

    private static let empty = UInt64.max

    init(capacity: Int) {
        var bits = 4
        while 1 << bits < capacity * 2 { bits += 1 }
        self.keys = [UInt64](repeating: Self.empty, count: 1 << bits)
        self.values = [BytePairModel.Merge](repeating: BytePairModel.Merge(rank: 0, id: 0), count: 1 << bits)
        self.shift = UInt64(64 - bits)
    }

    /// In place of an earlier merge of the same pair.
    mutating func insert(_ first: Int32, _ second: Int32, _ merge: BytePairModel.Merge) {
        let slot = self.slot(of: Self.key(first, second))
        self.keys[slot] = Self.key(first, second)
        self.values[slot] = merge
    }

    @inline(__always)
    subscript(_ first: Int32, _ second: Int32) -> BytePairModel.Merge? {
        let slot = self.slot(of: Self.key(first, second))
        return self.keys[slot] == Self.empty ? nil : self.values[slot]
    }

    @inline(__always)
    private static func key(_ first: Int32, _ second: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    }

    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> self.shift)
        while self.keys[slot] != key && self.keys[slot] != Self.empty { slot = (slot &+ 1) & (self.keys.count &- 1) }
        return slot
    }
}

/// A binary heap whose first element is the smallest.
extension [UInt64] {
    fileprivate mutating func pushMinimum(_ element: UInt64) {
        self.append(element)
        var child = self.count - 1
        while child > 0, self[child] < self[(child - 1) / 2] {
            self.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    fileprivate mutating func popMinimum() -> UInt64? {
        guard let result = self.first, let last = self.popLast() else { return nil }
        guard !self.isEmpty else { return result }
        self[0] = last
        var parent = 0
        while true {
            var smallest = parent
            for child in 2 * parent + 1...2 * parent + 2 where child < self.count && self[child] < self[smallest] {
                smallest = child
            }
            if smallest == parent { return result }
            self.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
