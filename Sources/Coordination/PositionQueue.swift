/// The positions of queued shards, lowest first: a binary heap, so that a grant costs little in a large sweep.
struct PositionQueue: Sendable {
    private var heap: [Int] = []

    var isEmpty: Bool { self.heap.isEmpty }
    var count: Int { self.heap.count }
    var lowest: Int? { self.heap.first }
    /// All positions, in no order.
    var positions: [Int] { self.heap }

    mutating func insert(_ position: Int) {
        self.heap.append(position)
        var child = self.heap.count - 1
        while child > 0, self.heap[child] < self.heap[(child - 1) / 2] {
            self.heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeLowest() -> Int? {
        guard let lowest = self.heap.first, let end = self.heap.popLast() else { return nil }
        if !self.heap.isEmpty {
            self.heap[0] = end
            self.sink(from: 0)
        }
        return lowest
    }

    /// Takes out a position that is known to be there.
    mutating func remove(_ position: Int) {
        guard let index = self.heap.firstIndex(of: position) else {
            preconditionFailure("position \(position) is not queued")
        }
        let end = self.heap.removeLast()
        guard index < self.heap.count else { return }
        self.heap[index] = end
        self.sink(from: index)
        var child = index
        while child > 0, self.heap[child] < self.heap[(child - 1) / 2] {
            self.heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func sink(from start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < self.heap.count {
                if self.heap[child] < self.heap[least] { least = child }
            }
            if least == parent { return }
            self.heap.swapAt(parent, least)
            parent = least
        }
    }
}
