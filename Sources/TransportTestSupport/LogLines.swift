internal import Foundation
public import Logging
internal import Synchronization

/// A log that tests can wait on.
public final class LogLines: Sendable {
    public init() {}

    private struct State {
        var lines: [String] = []
        var waiters: [(text: String, continuation: CheckedContinuation<String, Never>)] = []
    }

    private let state = Mutex(State())

    public var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    /// All lines so far.
    public var lines: [String] { self.state.withLock { $0.lines } }

    /// The first line that contains `text`, as soon as it has been written.
    public func line(containing text: String) async -> String {
        await withCheckedContinuation { continuation in
            let found = self.state.withLock { state -> String? in
                if let line = state.lines.first(where: { $0.contains(text) }) { return line }
                state.waiters.append((text, continuation))
                return nil
            }
            if let found { continuation.resume(returning: found) }
        }
    }

    private func append(_ line: String) {
        let woken = self.state.withLock { state in
            state.lines.append(line)
            let woken = state.waiters.filter { line.contains($0.text) }
            state.waiters.removeAll { line.contains($0.text) }
            return woken
        }
        for waiter in woken { waiter.continuation.resume(returning: line) }
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) { self.lines.append("\(event.message)") }
    }
}

/// A folder that goes when its owner goes.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() {
        let name = "quintet-test-\(UUID().uuidString)"
        self.path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        do {
            try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
        } catch {
            preconditionFailure("no temporary folder: \(error)")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    /// Writes a file into the folder and gives its path.
    public func file(_ name: String, _ text: String) throws -> String {
        let path = "\(self.path)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }
}
