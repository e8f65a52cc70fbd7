/// A map from byte strings to ids that finds the longest key at a place of a text.
///
/// All edges stand in one open hash table: an entry packs (node, byte) and the child that the byte leads to.
struct ByteTrie: Sendable {
    static let root: Int32 = 0

    /// (node: 28 bits, byte: 8 bits, child: 28 bits); 0 where empty, since no edge leads to the root.
    private var edges: [UInt64]
    private var edgeCount = 0
    private var shift: UInt64
    /// By node: the id of the key that ends there, or -1.
    private var ids: [Int32] = [-1]

    init() {
        self.edges = [UInt64](repeating: 0, count: 64)
        self.shift = 64 - 6
    }

    /// Maps `key` to `id`, in place of an earlier id.
    mutating func insert(_ key: some Sequence<UInt8>, id: Int32) {
        precondition(id >= 0, "id \(id)")
        var node = Self.root
        for byte in key {
            if let child = self.child(of: node, byte) {
                node = child
            } else {
                let child = Int32(self.ids.count)
                precondition(child < 1 << 28, "too many nodes")
                self.ids.append(-1)
                self.addEdge(UInt64(node) << 36 | UInt64(byte) << 28 | UInt64(child))
                node = child
            }
        }
        self.ids[Int(node)] = id
    }

    /// The id of `key`.
    func id(of key: some Sequence<UInt8>) -> Int32? {
        guard let node = self.node(of: key) else { return nil }
        let id = self.ids[Int(node)]
        return id < 0 ? nil : id
    }

    /// The node that `key` leads to from the root.
    func node(of key: some Sequence<UInt8>) -> Int32? {
        var node = Self.root
        for byte in key {
            guard let child = self.child(of: node, byte) else { return nil }
            node = child
        }
        return node
    }

    /// The longest key, of at least one byte after `node`, that `text` holds from the range's beginning.
    @inline(__always)
    func longestMatch(_ text: Span<UInt8>, _ range: Range<Int>, from node: Int32 = root) -> (id: Int32, end: Int)? {
        var node = node
        var best: (id: Int32, end: Int)?
        for offset in range {
            guard let child = self.child(of: node, text[offset]) else { break }
            node = child
            let id = self.ids[Int(node)]
            if id >= 0 { best = (id, offset + 1) }
        }
        return best
    }

    /// Calls `body` with the id and end of each key that `text` holds from the range's beginning, the shortest first.
    @inline(__always)
    func forEachMatch(_ text: Span<UInt8>, _ range: Range<Int>, _ body: (_ id: Int32, _ end: Int) -> Void) {
        var node = Self.root
        for offset in range {
            guard let child = self.child(of: node, text[offset]) else { return }
            node = child
            let id = self.ids[Int(node)]
            if id >= 0 { body(id, offset + 1) }
        }
    }

    @inline(__always)
    private func child(of node: Int32, _ byte: UInt8) -> Int32? {
        let key = UInt64(truncatingIfNeeded: node) << 8 | UInt64(byte)
        var slot = Int(truncatingIfNeeded: Self.hash(key) >> self.shift)
        while true {
            let edge = self.edges[slot]
            if edge == 0 { return nil }
            if edge >> 28 == key { return Int32(truncatingIfNeeded: edge & 0xFFF_FFFF) }
            slot = (slot &+ 1) & (self.edges.count &- 1)
        }
    }

    @inline(__always)
    private static func hash(_ key: UInt64) -> UInt64 { key &* 0x9E37_79B9_7F4A_7C15 }

    private mutating func addEdge(_ edge: UInt64) {
        self.edgeCount += 1
        if self.edgeCount * 2 > self.edges.count {
            let old = self.edges
            self.edges = [UInt64](repeating: 0, count: old.count * 2)
            self.shift -= 1
            for edge in old where edge != 0 { self.place(edge) }
        }
        self.place(edge)
    }

    private mutating func place(_ edge: UInt64) {
        var slot = Int(truncatingIfNeeded: Self.hash(edge >> 28) >> self.shift)
        while self.edges[slot] != 0 { slot = (slot + 1) & (self.edges.count - 1) }
        self.edges[slot] = edge
    }
}
