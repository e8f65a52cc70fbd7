internal import Dispatch
internal import Synchronization

/// What waits for the one thread of a loop: anybody may post, one thread takes all that is there.
public final class Mailbox<Item: Sendable>: Sendable {
    private struct State {
        var items: [Item] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)

    public init() {}

    /// - Returns: `false` once the mailbox is closed; the item is then dropped.
    @discardableResult
    public func post(_ item: Item) -> Bool {
        let isOpen = self.state.withLock { state in
            guard !state.isClosed else { return false }
            state.items.append(item)
            return true
        }
        if isOpen { self.signal.signal() }
        return isOpen
    }

    /// Waits until something is there or the time is over, and takes all; without a time it waits for something.
    /// Sometimes it comes back early with nothing.
    public func take(withinMilliseconds milliseconds: Int?) -> [Item] {
        if let milliseconds {
            _ = self.signal.wait(timeout: .now() + .milliseconds(max(0, milliseconds)))
        } else {
            self.signal.wait()
        }
        return self.state.withLock { state in
            let items = state.items
            state.items = []
            return items
        }
    }

    /// - Returns: what nobody took.
    public func close() -> [Item] {
        self.state.withLock { state in
            state.isClosed = true
            let items = state.items
            state.items = []
            return items
        }
    }
}
