import Dispatch
import Synchronization

/// The threads of one trainer. Work is cut into items whose bounds depend on shapes alone; threads only take
/// items, so that their number changes no bit of any result.
public struct Team: Sendable {
    public let threads: Int

    public init(threads: Int) {
        precondition(threads >= 1, "a team of \(threads) threads")
        self.threads = threads
    }

    /// Calls `body` once for every item, on as many threads as there are, and returns when all are done.
    ///
    /// - Parameter body: gets the thread's number in `0..<threads`, for scratch memory of its own, and the item.
    public func forEach(_ items: Int, _ body: (_ thread: Int, _ item: Int) -> Void) {
        guard self.threads > 1 && items > 1 else {
            for item in 0..<items { body(0, item) }
            return
        }
        let next = Atomic<Int>(0)
        // The body only ever runs inside this call, which waits for all threads.
        withoutActuallyEscaping(body) { body in
            let shared = UncheckedBox(body)
            DispatchQueue.concurrentPerform(iterations: min(self.threads, items)) { thread in
                while true {
                    let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard item < items else { return }
                    shared.value(thread, item)
                }
            }
        }
    }

    /// Cuts rows into slabs and calls `body` once for each.
    public func forEachSlab(ofRows rows: Int, _ body: (_ rows: Range<Int>) -> Void) {
        let slabs = Slabs(rows: rows)
        self.forEach(slabs.count) { _, item in body(slabs[item]) }
    }

    /// Cuts columns into slabs of whole cache lines and calls `body` once for each.
    public func forEachSlab(ofColumns columns: Int, _ body: (_ columns: Range<Int>) -> Void) {
        let slabs = Slabs(columns: columns)
        self.forEach(slabs.count) { _, item in body(slabs[item]) }
    }
}

/// Hands a closure that is safe by construction to a `@Sendable` one.
private struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// How a product's output is cut: by its shape alone.
public struct Slabs: Sendable {
    private let total: Int
    private let unit: Int
    public let count: Int

    /// Rows in units of 16, in slabs of about 512: each packs the other factor anew.
    public init(rows: Int) {
        self.total = rows
        self.unit = 16
        self.count = rows < 32 ? 1 : 2 * max(1, (rows + 512) / 1024)
    }

    /// Columns in units of 16 floats, a cache line.
    public init(columns: Int) {
        self.total = columns
        self.unit = 16
        self.count = columns < 64 ? 1 : columns < 512 ? 2 : 4
    }

    public subscript(index: Int) -> Range<Int> {
        let units = (self.total + self.unit - 1) / self.unit
        let lower = min(self.total, units * index / self.count * self.unit)
        let upper = min(self.total, units * (index + 1) / self.count * self.unit)
        return lower..<upper
    }
}
