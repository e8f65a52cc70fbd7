internal import Foundation
internal import Synchronization

/// A program of another maker's that speaks TLS, run as a child process.
public struct Tool: Sendable {
    public static let openssl = Tool.find("openssl")
    public static let python = Tool.find("python3")
    /// Debian's name of it, or its own.
    public static let testssl = Tool.find("testssl") ?? Tool.find("testssl.sh")

    public let path: String

    private static func find(_ name: String) -> Tool? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
            .map { Tool(path: $0) }
    }

    /// Runs the program to its end and gives all that it printed, on both of its outputs.
    @discardableResult
    public func run(_ arguments: [String], input: String = "", folder: TemporaryFolder) async throws -> String {
        let output = "\(folder.path)/output-\(UUID().uuidString)"
        let inputPath = try folder.file("input-\(UUID().uuidString)", input)
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: self.path)
        process.arguments = arguments
        process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: inputPath))
        process.standardOutput = handle
        process.standardError = handle
        let ended = Signal<Void>()
        process.terminationHandler = { _ in ended.send(()) }
        try start(process)
        await ended.wait()
        return String(decoding: try Data(contentsOf: URL(fileURLWithPath: output)), as: UTF8.self)
    }
}

/// A Python program that serves on loopback: it prints its port as its first line, and ends when
/// its input does, or with its owner.
public final class PythonServer: Sendable {
    public let port: Int
    private let process: Mutex<Process>
    private let input: Pipe

    public init(_ source: String, _ arguments: [String] = [], folder: TemporaryFolder) async throws {
        guard let python = Tool.python else { preconditionFailure("this test needs python3") }
        let script = try folder.file("server-\(UUID().uuidString).py", source)
        let process = Process()
        let output = Pipe()
        let input = Pipe()
        process.executableURL = URL(fileURLWithPath: python.path)
        process.arguments = [script] + arguments
        process.standardInput = input
        process.standardOutput = output
        try start(process)
        let port = Signal<Int?>()
        Thread.detachNewThread {
            var line: [UInt8] = []
            while let byte = try? output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
                line.append(byte)
            }
            port.send(Int(String(decoding: line, as: UTF8.self)))
        }
        guard let port = await port.wait() else {
            process.terminate()
            throw CocoaError(.fileReadUnknown, userInfo: ["reason": "the server printed no port"])
        }
        self.port = port
        self.input = input
        self.process = Mutex(process)
    }

    deinit {
        // Not by the end of its input alone: another child that was started meanwhile may hold that pipe too.
        self.process.withLock { $0.terminate() }
    }
}

/// The threads that run tests block all signals, and a child inherits that: it could not be ended.
private func start(_ process: Process) throws {
    var (all, old) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_UNBLOCK, &all, &old)
    defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
    try process.run()
}
