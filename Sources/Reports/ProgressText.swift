import Foundation

// Progress as text: for a terminal, redrawn in place, and as plain lines for files and pipes.

extension ProgressSnapshot {
    /// The lines that a terminal shows: the sweep's bar, then a line for each running shard, aligned.
    ///
    /// - Parameters:
    ///   - columns: no line is wider.
    ///   - rows: there are never more lines, and always the bar.
    ///   - styled: with colours.
    public func lines(columns: Int, rows: Int, styled: Bool) -> [String] {
        let shown = self.running.count <= rows - 1 ? self.running.count : max(0, rows - 2)
        var lines = [self.bar(columns: columns, styled: styled)]
        lines += Self.aligned(self.running.prefix(shown).map(\.fields), columns: columns)
        if shown < self.running.count && rows > 1 {
            lines.append(clipped("  … and \(self.running.count - shown) more", to: columns))
        }
        return lines
    }

    /// The sweep on one line without codes.
    public var line: String {
        let parts = ["\(self.done)/\(self.total) done", "\(self.running.count) running"] + self.failures + self.times
        return "\(oneLine(self.sweep, limit: 64)): \(parts.joined(separator: ", "))"
    }

    private var failures: [String] { self.failed > 0 ? ["\(self.failed) failed"] : [] }

    private var times: [String] {
        ["\(duration(self.elapsedSeconds)) elapsed"]
            + (self.remainingSeconds.map { ["about \(duration($0)) left"] } ?? [])
    }

    /// Name, bar and numbers; where the terminal is narrow the bar shrinks, then numbers go, the least needed first.
    private func bar(columns: Int, styled: Bool) -> String {
        let name = oneLine(self.sweep, limit: 64)
        let count = "\(self.done)/\(self.total)"
        let running = "\(self.running.count) running"
        let choices = [
            [count, running] + self.failures + self.times, [count] + self.failures + self.times,
            [count] + self.failures + self.times.suffix(1), [count] + self.failures, [count],
        ]
        for numbers in choices {
            let text = numbers.joined(separator: "  ")
            let width = min(40, columns - name.count - text.count - 4)
            guard width >= 10 else { continue }
            return "\(name)  \(self.bar(width: width, styled: styled))  \(text)"
        }
        return clipped("\(name)  \(count)", to: columns)
    }

    private func bar(width: Int, styled: Bool) -> String {
        let share = self.total > 0 ? min(1, self.workDone / Double(self.total)) : 1
        // Only a sweep that is over has a full bar.
        let full = self.done + self.failed >= self.total ? width : min(width - 1, Int(share * Double(width)))
        let filled = String(repeating: "━", count: full)
        let rest = String(repeating: "─", count: width - full)
        guard styled else { return filled + rest }
        return "\u{1b}[36m\(filled)\u{1b}[39m\u{1b}[2m\(rest)\u{1b}[22m"
    }

    /// Rows of fields as columns; fields that do not fit are left out of all rows, the least needed first.
    private static func aligned(_ rows: [[Field: String]], columns: Int) -> [String] {
        var fields = Field.allCases.filter { field in rows.contains { $0[field] != nil } }
        func width(_ field: Field) -> Int { rows.map { $0[field]?.count ?? 0 }.max() ?? 0 }
        for field in Field.leastNeeded where fields.map({ width($0) + 2 }).reduce(0, +) > columns {
            fields.removeAll { $0 == field }
        }
        return rows.map { row in
            let cells = fields.map { (row[$0] ?? "").padded(to: width($0), isLeft: $0.isLeft) }
            var line = "  " + cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return clipped(line, to: columns)
        }
    }
}

/// The columns of a running shard's line.
private enum Field: CaseIterable {
    case name, worker, step, loss, rate, left

    static let leastNeeded: [Field] = [.worker, .rate, .loss, .left]

    var isLeft: Bool { self == .name || self == .worker }
}

extension ProgressSnapshot.Running {
    fileprivate var fields: [Field: String] {
        var fields: [Field: String] = [
            .name: oneLine(self.name, limit: 48), .worker: oneLine(self.worker, limit: 24),
            .step: self.steps.map { "step \(self.step)/\($0)" } ?? "starting",
        ]
        fields[.loss] = self.loss.map { "loss \(String(format: abs($0) < 1000 ? "%.4f" : "%.3g", $0))" }
        fields[.rate] = self.samplesPerSecond.map { "\(String(format: "%.1f", $0)) samples/s" }
        fields[.left] = self.remainingSeconds.map { "\(duration($0)) left" }
        return fields
    }
}

extension ProgressEvent {
    /// The event on one line.
    public var line: String {
        let text =
            switch self {
            case .started(let name, let worker, let step):
                "started \(name) on \(worker)\(step > 0 ? " from step \(step)" : "")"
            case .finished(let name, let worker, let metric, let score, let seconds):
                "finished \(name) on \(worker): \(metric) \(score.map(percent) ?? "undefined"), \(duration(seconds))"
            case .failed(let name, let worker, let message, let isFinal):
                "\(isFinal ? "failed" : "will retry") \(name)\(worker.isEmpty ? "" : " on \(worker)"): \(message)"
            }
        return oneLine(text, limit: 400)
    }
}

/// `0:07`, `12:34`, `1:02:03`.
func duration(_ seconds: Double) -> String {
    let whole = Int(min(max(0, seconds.isFinite ? seconds : 0), 1e9).rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
}

private func clipped(_ text: String, to columns: Int) -> String {
    text.count <= columns ? text : "\(text.prefix(max(0, columns - 1)))…"
}
