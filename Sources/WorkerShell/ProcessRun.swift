public import Files
internal import Foundation
internal import Synchronization

/// A child process that is listened to, on a thread of its own, until it has ended.
public final class ProcessRun: Sendable {
    /// What it writes: a line without its end.
    public struct Line: Hashable, Sendable {
        public var bytes: [UInt8]
        /// Whether it was longer than allowed and its end is missing.
        public var isCut: Bool
        public var isError: Bool

        /// As text, with what is no UTF-8 replaced.
        public var text: String { String(decoding: self.bytes, as: UTF8.self) }
    }

    private let process: ChildProcess
    private let lineBytesLimit: Int
    private let onLine: @Sendable (Line) -> Void
    private let onExit: @Sendable (ProcessExit) -> Void
    /// Signals are sent only while the process is not yet waited for.
    private let isAlive = Mutex(true)

    /// The longest line on standard error.
    private static let errorLineBytesLimit = 500
    private static let pollMilliseconds: Int32 = 200

    /// Starts the process; its standard input is its lifeline.
    ///
    /// - Parameters:
    ///   - onLine: called for every line, on the process's thread.
    ///   - onExit: called once, after all lines.
    /// - Throws: `StorageError` where the program cannot be started.
    public init(
        program: String,
        arguments: [String],
        environment: [String: String],
        lineBytesLimit: Int,
        onLine: @escaping @Sendable (Line) -> Void,
        onExit: @escaping @Sendable (ProcessExit) -> Void
    ) throws(StorageError) {
        self.lineBytesLimit = lineBytesLimit
        self.onLine = onLine
        self.onExit = onExit
        self.process = try ChildProcess(program: program, arguments: arguments, environment: environment)
    }

    /// Begins to listen; once.
    public func start() {
        let thread = Thread { [self] in self.listen() }
        thread.name = "child"
        thread.start()
    }

    /// The process's number.
    public var id: Int32 { self.process.id }

    /// Sends a signal; nothing happens where the process has ended.
    public func signal(_ signal: Int32) {
        self.isAlive.withLock { if $0 { self.process.signal(signal) } }
    }

    private func listen() {
        var output = LineReader(self.process.output, lineBytesLimit: self.lineBytesLimit)
        var errors = LineReader(self.process.errors, lineBytesLimit: Self.errorLineBytesLimit)
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var exit: ProcessExit?
        while !(output.isAtEnd && errors.isAtEnd) {
            var waits = [
                pollfd(fd: output.isAtEnd ? -1 : self.process.output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errors.isAtEnd ? -1 : self.process.errors, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&waits, 2, Self.pollMilliseconds) > 0 {
                if waits[0].revents != 0 { self.pass(output.read(buffer: &buffer), isError: false) }
                if waits[1].revents != 0 { self.pass(errors.read(buffer: &buffer), isError: true) }
            } else if exit != nil {
                // Something that the process left behind holds its pipes: what it says is of no interest.
                break
            } else {
                exit = self.takeExit()
            }
        }
        // A process may close its output and live on.
        while exit == nil {
            exit = self.takeExit()
            if exit == nil { usleep(1000) }
        }
        if let exit { self.onExit(exit) }
    }

    private func pass(_ lines: [LineReader.Line], isError: Bool) {
        for line in lines {
            switch line {
            case .whole(let bytes): self.onLine(Line(bytes: bytes, isCut: false, isError: isError))
            case .cut(let bytes): self.onLine(Line(bytes: bytes, isCut: true, isError: isError))
            }
        }
    }

    private func takeExit() -> ProcessExit? {
        self.isAlive.withLock { isAlive in
            let exit = self.process.poll()
            if exit != nil { isAlive = false }
            return exit
        }
    }
}
