import Foundation
import Synchronization

/// A folder of its own for one test, and the real program in it.
final class Sandbox: Sendable {
    let folder: String

    /// The program, beside the test bundle.
    static let program: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let beside = [CommandLine.arguments[0], bundle].map {
            "\(URL(filePath: $0).deletingLastPathComponent().path)/quintet"
        }
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let candidates = beside + [root.appending(path: ".build/debug/quintet").path]
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) } ?? candidates[0]
    }()

    static var isProgramThere: Bool { FileManager.default.isExecutableFile(atPath: Self.program) }

    init() throws {
        self.folder = FileManager.default.temporaryDirectory.appending(path: "quintet-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
    }

    /// A test that has failed may have left something at work.
    deinit {
        for process in self.processes { kill(process.id, SIGKILL) }
        try? FileManager.default.removeItem(atPath: self.folder)
    }

    /// A small sweep whose shards take a second or two, with a checkpoint every now and then.
    func writeGrid(
        name: String = "small",
        methods: [String] = ["full", "lora"],
        epochs: Int = 12,
        seeds: Int = 2,
        checkpointSeconds: Double = 0.2,
        defaults: String = ""
    ) throws -> String {
        let path = "\(self.folder)/\(name).yaml"
        try """
        sweep: \(name)
        backbone: tiny-random
        tasks: [offline]
        methods: [\(methods.joined(separator: ", "))]
        seeds: \(seeds)
        defaults: {
          epochs: \(epochs), learningRate: 2e-3, batchSize: 16, maximumLength: 64,
          checkpointSeconds: \(checkpointSeconds), \(defaults)
        }
        """.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// Starts the program.
    func start(_ arguments: [String], prefix: [String] = [], environment: [String: String] = [:]) throws -> Running {
        let command = prefix + [Self.program] + arguments
        var all = ProcessInfo.processInfo.environment
        all["QUINTET_CACHE"] = "\(self.folder)/cache"
        // What writes a backtrace holds the dead program's output open, for ever where the program is killed meanwhile.
        all["SWIFT_BACKTRACE"] = "enable=no"
        all["XDG_STATE_HOME"] = "\(self.folder)/home"
        return try Running(command, environment: all.merging(environment) { $1 })
    }

    /// Runs the program to its end.
    func run(
        _ arguments: [String],
        prefix: [String] = [],
        environment: [String: String] = [:]
    ) async throws -> (code: Int32, output: String) {
        let running = try self.start(arguments, prefix: prefix, environment: environment)
        return (await running.wait(), running.output)
    }

    /// Processes whose command line names this folder, by number, with what they were started as.
    var processes: [(id: Int32, kind: String)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.sorted().compactMap { id in
            guard let data = FileManager.default.contents(atPath: "/proc/\(id)/cmdline"), !data.isEmpty else {
                return nil
            }
            let words = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.count > 1, words[0].hasSuffix("quintet"), words.contains(where: { $0.contains(self.folder) })
            else { return nil }
            return (id, words[1])
        }
    }

    /// Waits until no process of this sandbox is left; says which are left after a while.
    func waitUntilEmpty(seconds: Double = 10) async -> [(id: Int32, kind: String)] {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if self.processes.isEmpty { return [] }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return self.processes
    }
}

/// A process that a test has started, with its output and errors in one text.
final class Running: Sendable {
    private let process: Process
    private let text = Mutex("")
    private let ended = AsyncStream<Never>.makeStream()
    private let code = Mutex<Int32>(0)

    init(_ command: [String], environment: [String: String]) throws {
        self.process = Process()
        self.process.executableURL = URL(filePath: command[0].contains("/") ? command[0] : "/usr/bin/env")
        self.process.arguments = command[0].contains("/") ? Array(command.dropFirst()) : command
        self.process.environment = environment
        self.process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        self.process.standardOutput = pipe
        self.process.standardError = pipe
        let continuation = self.ended.continuation
        try self.process.run()
        let process = self.process
        Thread { [self] in
            // The end of the output comes after that of the process: a child of its own may hold it.
            while true {
                let data = pipe.fileHandleForReading.availableData
                if data.isEmpty { break }
                self.text.withLock { $0 += String(decoding: data, as: UTF8.self) }
            }
            process.waitUntilExit()
            let code = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
            self.code.withLock { $0 = code }
            continuation.finish()
        }.start()
    }

    var id: Int32 { self.process.processIdentifier }
    var output: String { self.text.withLock { $0 } }
    var isRunning: Bool { self.process.isRunning }

    func signal(_ number: Int32) { kill(self.id, number) }

    /// Waits for the end: the exit code, or a signal's number below zero. May be asked again.
    func wait() async -> Int32 {
        for await _ in self.ended.stream {}
        return self.code.withLock { $0 }
    }

    /// Waits for a line in the output, as long as the process runs.
    func line(containing part: String) async -> String? {
        while true {
            let running = self.isRunning
            if let line = self.output.split(separator: "\n").first(where: { $0.contains(part) }) { return String(line) }
            guard running else { return nil }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
}
