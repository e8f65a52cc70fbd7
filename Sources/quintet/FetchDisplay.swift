import Fetching
import Foundation
import Reports
import Synchronization

/// Tells of a fetch on standard error: a line for each thing that happens, and on a terminal one more that follows
/// the bytes of the file at hand.
final class FetchDisplay: Sendable {
    private struct State {
        var file = ""
        var startedAt = ContinuousClock.now
        /// What had been there before this fetch, of which no rate can be told.
        var firstBytes: Int64 = 0
        var shownAt: ContinuousClock.Instant?
        var hasProgressLine = false
    }

    private let terminal: Terminal
    private let isInteractive: Bool
    private let state = Mutex(State())

    /// - Parameter isInteractive: whether a line is redrawn; by default where the output is a terminal.
    init(terminal: Terminal = .standardError, isInteractive: Bool? = nil) {
        self.terminal = terminal
        self.isInteractive = isInteractive ?? terminal.isInteractive
    }

    func show(_ event: FetchEvent) {
        self.state.withLock { state in
            if case .progress(let file, let bytes, let total) = event {
                return self.showProgress(&state, file: file, bytes: bytes, total: total)
            }
            let clearing = state.hasProgressLine ? "\r\u{1b}[K" : ""
            state.hasProgressLine = false
            self.terminal.write("\(clearing)\(oneLine(event.line, limit: 1000))\n")
        }
    }

    private func showProgress(_ state: inout State, file: String, bytes: Int64, total: Int64?) {
        guard self.isInteractive else { return }
        let now = ContinuousClock.now
        if state.file != file {
            state = State(file: file, startedAt: now, firstBytes: bytes, hasProgressLine: state.hasProgressLine)
        }
        if bytes != total, let shownAt = state.shownAt, now - shownAt < ProgressDisplay.redrawInterval { return }
        state.shownAt = now
        state.hasProgressLine = true
        let seconds = (now - state.startedAt) / .seconds(1)
        let rate = seconds >= 1 ? Double(bytes - state.firstBytes) / seconds : nil
        let line = progressLine(file: file, bytes: bytes, total: total, bytesPerSecond: rate)
        self.terminal.write("\r\(line.prefix(self.terminal.size.columns - 1))\u{1b}[K")
    }
}

/// `model.safetensors  45.2 of 90.9 MB  50 %  12.3 MB/s`
func progressLine(file: String, bytes: Int64, total: Int64?, bytesPerSecond: Double?) -> String {
    func megabytes(_ bytes: Double) -> String { String(format: "%.1f", bytes / 1e6) }
    var parts = [oneLine(file, limit: 60)]
    if let total, total > 0 {
        parts.append("\(megabytes(Double(bytes))) of \(megabytes(Double(total))) MB")
        parts.append("\(min(100, 100 * bytes / total)) %")
    } else {
        parts.append("\(megabytes(Double(bytes))) MB")
    }
    if let bytesPerSecond { parts.append("\(megabytes(bytesPerSecond)) MB/s") }
    return parts.joined(separator: "  ")
}

extension FetchEvent {
    /// The event on one line.
    var line: String {
        switch self {
        case .present(let name): "\(name) is in the cache"
        case .trying(let name, let source): "fetching \(name) from \(source)"
        case .progress(let file, let bytes, let total):
            progressLine(file: file, bytes: bytes, total: total, bytesPerSecond: nil)
        case .failed(let name, let source, let reason): "no \(name) from \(source): \(reason)"
        case .recorded(let file, let source, let digest):
            "\(file): no digest was known for it; recorded the SHA-256 of what \(source) sent: \(digest)"
        case .fetched(let name, let source): "fetched \(name) from \(source)"
        }
    }
}
