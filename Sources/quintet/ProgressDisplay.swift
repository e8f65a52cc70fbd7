import Logging
import Reports
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Shows a sweep at work on standard output.
///
/// On a terminal: a few lines at the bottom that are redrawn in place, with what happened above them. Elsewhere: a
/// line for each thing that happens and one every half minute, without control codes. Every write goes through this
/// type while it is in use: logs too (``logHandler(label:)``), or they would tear the lines apart.
final class ProgressDisplay: Sendable {
    /// How often the lines are redrawn at most.
    static let redrawInterval = Duration.milliseconds(200)
    /// How often a line tells where the sweep stands where nothing is redrawn.
    static let lineInterval = Duration.seconds(30)

    private struct State {
        /// What stands at the bottom of the terminal now.
        var lines: [String] = []
        /// When the newest snapshot was shown.
        var shownAt: ContinuousClock.Instant?
        var isFinished = false
    }

    private let terminal: Terminal
    private let isInteractive: Bool
    private let state = Mutex(State())

    /// - Parameter isInteractive: whether lines are redrawn; by default where the output is a terminal.
    init(terminal: Terminal = .standardOutput, isInteractive: Bool? = nil) {
        self.terminal = terminal
        self.isInteractive = isInteractive ?? terminal.isInteractive
        guard self.isInteractive else { return }
        // A process that ends by `exit` without ``finish()`` must not leave a terminal without a cursor.
        if terminal.descriptor == STDOUT_FILENO { atexit { Terminal.standardOutput.write(Codes.showCursor) } }
    }

    /// Shows snapshots until the surrounding task is cancelled.
    func run(_ snapshot: @Sendable () async -> ProgressSnapshot) async {
        while !Task.isCancelled {
            self.show(await snapshot())
            try? await Task.sleep(for: Self.redrawInterval)
        }
    }

    /// Draws the snapshot, unless one was drawn just before.
    func show(_ snapshot: ProgressSnapshot) {
        self.state.withLock { state in
            let now = ContinuousClock.now
            let interval = self.isInteractive ? Self.redrawInterval * 0.9 : Self.lineInterval
            if state.isFinished { return }
            if let shownAt = state.shownAt, now - shownAt < interval { return }
            // A plain output starts with what starts, not with a line of noughts.
            let isFirst = state.shownAt == nil
            state.shownAt = now
            guard self.isInteractive else {
                if !isFirst { self.terminal.write("\(snapshot.line)\n") }
                return
            }
            let size = self.terminal.size
            // One column less, since some terminals wrap when the last one is written.
            let lines = snapshot.lines(
                columns: size.columns - 1,
                rows: size.rows - 1,
                styled: self.terminal.isStyled
            )
            self.redraw(&state, above: [], lines: lines)
        }
    }

    /// Tells what happened. A start is told only where no lines show what runs.
    func report(_ event: ProgressEvent) {
        if case .started = event, self.isInteractive { return }
        self.write(event.line)
    }

    /// Writes lines above those that are redrawn. Codes in them, which others may have written, do nothing.
    func write(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map { oneLine(String($0), limit: 2000) }
        self.state.withLock { state in
            guard self.isInteractive, !state.isFinished else {
                return self.terminal.write(lines.map { $0 + "\n" }.joined())
            }
            self.redraw(&state, above: lines, lines: state.lines)
        }
    }

    /// Takes the redrawn lines away and gives the cursor back; later lines are written as they come.
    func finish() {
        self.state.withLock { state in
            guard !state.isFinished else { return }
            if self.isInteractive {
                self.redraw(&state, above: [], lines: [])
                self.terminal.write(Codes.showCursor)
            }
            state.isFinished = true
        }
    }

    /// One write for all, so that nothing flickers.
    private func redraw(_ state: inout State, above: [String], lines: [String]) {
        var text = Codes.hideCursor
        let columns = self.terminal.size.columns
        // A terminal that has become narrower has wrapped what stands there.
        let rows = state.lines.reduce(0) { $0 + max(1, (visibleWidth($1) + columns - 1) / columns) }
        if rows > 0 { text += Codes.up(rows) }
        // Each line is overwritten and only its tail cleared: clearing first would flicker.
        text += "\r"
        for line in above + lines { text += line + Codes.clearLine + "\n" }
        self.terminal.write(text + Codes.clearBelow)
        state.lines = lines
    }
}

/// The characters of a line that has no codes but colours.
private func visibleWidth(_ line: String) -> Int {
    var (width, isCode) = (0, false)
    for character in line {
        if character == "\u{1b}" { isCode = true }
        if !isCode { width += 1 }
        if character == "m" { isCode = false }
    }
    return width
}

/// What terminals understand (ECMA-48, and DEC's private mode 25).
private enum Codes {
    static let hideCursor = "\u{1b}[?25l"
    static let showCursor = "\u{1b}[?25h"
    static let clearLine = "\u{1b}[K"
    static let clearBelow = "\u{1b}[J"
    static func up(_ lines: Int) -> String { "\u{1b}[\(lines)A" }
}

extension ProgressDisplay {
    /// A log handler whose lines stand above those that are redrawn.
    func logHandler(label: String) -> any LogHandler { DisplayLogHandler(display: self, label: label) }
}

private struct DisplayLogHandler: LogHandler {
    let display: ProgressDisplay
    let label: String
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.notice

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = self.metadata.merging(event.metadata ?? [:]) { $1 }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
        self.display.write("\(event.level): \(event.message)\(pairs.joined())")
    }
}
