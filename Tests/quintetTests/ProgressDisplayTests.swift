import Foundation
import Reports
import Testing

@testable import quintet

@Suite struct ProgressDisplayTests {
    private let pipe = Pipe()
    private let snapshot = ProgressSnapshot(
        sweep: "s",
        total: 4,
        done: 1,
        failed: 0,
        doneBefore: 0,
        elapsedSeconds: 60,
        running: [.init(name: "rte/full/1", worker: "a", step: 2, steps: 4, batchSize: 1)]
    )
    private let bar = "s  ━━━━━━━━━━━━━━─────────────────────────  1/4  1 running  1:00 elapsed  about 2:40 left"

    private func display(isInteractive: Bool) -> ProgressDisplay {
        ProgressDisplay(
            terminal: Terminal(descriptor: self.pipe.fileHandleForWriting.fileDescriptor),
            isInteractive: isInteractive
        )
    }

    private func written() throws -> String {
        try self.pipe.fileHandleForWriting.close()
        return String(decoding: try self.pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    }

    @Test func `where nobody watches there are lines and no codes`() throws {
        let display = self.display(isInteractive: false)
        display.report(.started(name: "rte/full/1", worker: "a", step: 0))
        // Neither the first snapshot nor one soon after it is told.
        display.show(self.snapshot)
        display.show(self.snapshot)
        display.report(.failed(name: "rte/full/1", worker: "a", message: "no\u{1b}[31m", isFinal: true))
        display.finish()
        display.write("the table")
        #expect(try self.written() == "started rte/full/1 on a\nfailed rte/full/1 on a: no [31m\nthe table\n")
    }

    @Test func `on a terminal, what happens stands above the lines that are redrawn`() throws {
        let display = self.display(isInteractive: true)
        display.report(.started(name: "rte/full/1", worker: "a", step: 0))
        display.show(self.snapshot)
        display.write("something\nwith more to say")
        display.finish()
        display.write("the table")
        let screen = Screen(of: try self.written())
        #expect(screen.hasCursor)
        #expect(screen.lines == ["something", "with more to say", "the table"])
    }

    @Test func `lines are redrawn in place`() throws {
        let display = self.display(isInteractive: true)
        display.show(self.snapshot)
        display.write("first")
        display.write("second")
        let screen = Screen(of: try self.written())
        #expect(!screen.hasCursor)
        #expect(screen.lines.prefix(2) == ["first", "second"])
        #expect(screen.lines.dropFirst(2).first?.hasPrefix("s  ━━━━") == true)
        #expect(screen.lines.last == "  rte/full/1  a  step 2/4")
    }
}

/// As much of a terminal as the display needs: what stands on it after everything was written.
private struct Screen {
    private(set) var lines: [String] = []
    private(set) var hasCursor = true

    init(of text: String) {
        var rows: [String] = [""]
        var row = 0
        var rest = Substring(text)
        while let character = rest.first {
            if let code = rest.prefixMatch(of: /\u{1b}\[(\??[0-9]*)([A-Za-z])/) {
                rest = rest[code.range.upperBound...]
                switch (code.output.1, code.output.2) {
                case ("?25", "l"): self.hasCursor = false
                case ("?25", "h"): self.hasCursor = true
                case (let count, "A"): row -= Int(count) ?? 1
                // The writer always stands at the end of what it has just written.
                case (_, "K"): break
                case (_, "J"): rows.removeSubrange(row...)
                default: break
                }
                while rows.count <= row { rows.append("") }
                continue
            }
            rest.removeFirst()
            switch character {
            case "\n":
                row += 1
                if rows.count == row { rows.append("") }
                rows[row] = ""
            case "\r": rows[row] = ""
            default: rows[row].append(character)
            }
        }
        self.lines = rows.filter { !$0.isEmpty }
    }
}
