import NIOCore
import Synchronization
import Wire

/// The frames that a connection has brought and nobody has taken yet: from an event loop to one task.
///
/// Bounded: the event loop stops reading while it holds more than its limit, and goes on when half of it is taken.
final class FrameInbox: Sendable {
    private enum End {
        /// The other side has said goodbye, or this one closed.
        case finished
        case failed(any Error)
    }

    private struct State {
        var frames = CircularBuffer<Frame>()
        var bytes = 0
        var end: End?
        var waiter: CheckedContinuation<Frame?, any Error>?
        /// Set while the event loop has been told to stop.
        var isFull = false
        var resumeReading: (@Sendable () -> Void)?
    }

    /// What a small frame costs beyond its payload, so that a flood of them is bounded too.
    private static let frameOverheadBytes = 64

    private let bytesLimit: Int
    private let state = Mutex(State())

    init(bytesLimit: Int) { self.bytesLimit = bytesLimit }

    /// What to call, from any thread, when there is room again after ``offer(_:)`` said no.
    func onRoom(_ resumeReading: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.resumeReading = resumeReading }
    }

    /// Adds frames, and says whether there is room for more.
    func offer(_ frames: [Frame]) -> Bool {
        let (waiter, first, hasRoom) = self.state.withLock { state in
            guard state.end == nil else { return (nil as CheckedContinuation<Frame?, any Error>?, nil as Frame?, true) }
            for frame in frames {
                state.frames.append(frame)
                state.bytes += frame.payload.readableBytes + Self.frameOverheadBytes
            }
            let waiter = state.frames.isEmpty ? nil : state.waiter.take()
            let first = waiter == nil ? nil : self.takeFirst(&state)
            state.isFull = state.bytes > self.bytesLimit
            return (waiter, first, !state.isFull)
        }
        waiter?.resume(returning: first)
        return hasRoom
    }

    /// No more frames come; those that are here can still be taken.
    func end(_ error: (any Error)? = nil) {
        let waiter = self.state.withLock { state in
            guard state.end == nil else { return nil as CheckedContinuation<Frame?, any Error>? }
            state.end = error.map { .failed($0) } ?? .finished
            state.resumeReading = nil
            return state.waiter.take()
        }
        if let error { waiter?.resume(throwing: error) } else { waiter?.resume(returning: nil) }
    }

    /// What ``end(_:)`` was given.
    var failure: (any Error)? {
        self.state.withLock { state in
            if case .failed(let error) = state.end { error } else { nil }
        }
    }

    /// No more frames come, and those that are here are thrown away.
    func discard() {
        let waiter = self.state.withLock { state in
            if state.end == nil { state.end = .finished }
            state.frames.removeAll()
            state.bytes = 0
            state.resumeReading = nil
            return state.waiter.take()
        }
        waiter?.resume(returning: nil)
    }

    /// The next frame, or nil when no more come.
    ///
    /// - Throws: what the connection failed with, or `CancellationError`, after which it can be called again.
    /// - Precondition: no other task is waiting.
    func next() async throws -> Frame? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (outcome, resumeReading) = self.state.withLock { state in self.take(&state, or: continuation) }
                resumeReading?()
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            self.state.withLock { $0.waiter.take() }?.resume(throwing: CancellationError())
        }
    }

    private func take(
        _ state: inout State,
        or continuation: CheckedContinuation<Frame?, any Error>
    ) -> (Result<Frame?, any Error>?, resumeReading: (@Sendable () -> Void)?) {
        precondition(state.waiter == nil, "two tasks wait for the frames of one connection")
        if Task.isCancelled { return (.failure(CancellationError()), nil) }
        if let frame = self.takeFirst(&state) {
            let hasRoomAgain = state.isFull && state.bytes <= self.bytesLimit / 2
            if hasRoomAgain { state.isFull = false }
            return (.success(frame), hasRoomAgain ? state.resumeReading : nil)
        }
        switch state.end {
        case .finished: return (.success(nil), nil)
        case .failed(let error): return (.failure(error), nil)
        case nil:
            state.waiter = continuation
            return (nil, nil)
        }
    }

    private func takeFirst(_ state: inout State) -> Frame? {
        guard let frame = state.frames.popFirst() else { return nil }
        state.bytes -= frame.payload.readableBytes + Self.frameOverheadBytes
        return frame
    }
}
