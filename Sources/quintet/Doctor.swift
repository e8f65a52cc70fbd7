import ArgumentParser
import CoordinatorShell
import Fetching
import Foundation
import Reports
import Transport

/// `quintet doctor`
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what this machine has for Quintet, what it lacks, and what to do about that."
    )

    @OptionGroup var state: StateOptions

    @Option(help: ArgumentHelp("The cache; default: QUINTET_CACHE or ~/.cache/quintet.", valueName: "dir"))
    var cache: String?

    @Option(
        help: ArgumentHelp(
            "Where a coordinator is to listen on this machine; default: 127.0.0.1:7461.",
            valueName: "host:port"
        )
    )
    var listen: String?

    @Option(help: "The line by which this machine is to join; its token is not used up.")
    var join: String?

    @Option(help: ArgumentHelp("A file with that line.", valueName: "file"))
    var joinFile: String?

    private static let dialSeconds = 5.0

    func validate() throws {
        if let listen { _ = try SessionOptions.address(listen) }
        if self.cache?.isEmpty == true { throw ValidationError("--cache is empty; give a folder.") }
        if self.join != nil, self.joinFile != nil {
            throw ValidationError("--join and --join-file are both given; give one of them.")
        }
    }

    func run() async throws {
        var findings = MachineChecks.all()
        let folder = self.state.folder.path
        findings += FolderChecks.all(folder, of: .state)
        findings += FolderChecks.all(self.cache ?? Cache().folder.path, of: .cache)
        findings.append(MachineChecks.clock())
        findings.append(await self.port())
        if let line = self.joinLine { findings.append(await Self.coordinator(line)) }
        let output = Terminal.standardOutput
        for finding in findings { output.write("\(finding)\n") }
        let bad = findings.count { $0.state == .bad }
        guard bad == 0 else { throw SessionError("\(bad) of \(findings.count) things keep Quintet from working here") }
    }

    private func port() async -> Finding {
        let name = "port"
        do {
            let address = try SessionOptions.address(self.listen ?? CoordinatorCommand.usualAddress)
            try await Reachability.bind(host: address.host, port: address.port)
            return Finding(name, "\(self.listen ?? CoordinatorCommand.usualAddress) can be listened on")
        } catch {
            return Finding(name, "\(error)", self.listen == nil ? .warning : .bad)
        }
    }

    private var joinLine: Result<JoinLine, any Error>? {
        if let joinFile { return Result { try JoinSource.file(JoinFile(joinFile)).line() } }
        let text = self.join ?? ProcessInfo.processInfo.environment[WorkerCommand.joinVariable]
        return text.map { text in Result { try JoinLine(parsing: text) } }
    }

    private static func coordinator(_ line: Result<JoinLine, any Error>) async -> Finding {
        do {
            let line = try line.get()
            let start = ContinuousClock.now
            try await Reachability.dial(line, withinSeconds: Self.dialSeconds)
            let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
            let text = "\(line.host):\(line.port) answers and is the join line's"
            return Finding(
                "coordinator",
                "\(text), after \(milliseconds.formatted(.number.precision(.fractionLength(0)))) ms"
            )
        } catch {
            return Finding("coordinator", "\(error)", .bad, advice: "a worker here cannot join")
        }
    }
}

/// What one check has found.
struct Finding: Hashable, CustomStringConvertible {
    enum State: String, Hashable {
        case ok
        /// Quintet works, but not as it should.
        case warning
        /// Quintet does not work.
        case bad = "BAD"
    }

    var name: String
    var state: State
    var text: String
    var advice: String

    init(_ name: String, _ text: String, _ state: State = .ok, advice: String = "") {
        self.name = name
        self.state = state
        self.text = text
        self.advice = state == .ok ? "" : advice
    }

    /// One line.
    var description: String {
        let columns = [(self.state.rawValue, 9), (self.name, 14)].map { text, width in
            text.padding(toLength: max(width, text.count + 1), withPad: " ", startingAt: 0)
        }
        return columns.joined() + oneLine(self.text + (self.advice.isEmpty ? "" : "; \(self.advice)"), limit: 600)
    }
}
