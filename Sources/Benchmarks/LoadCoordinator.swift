import ArgumentParser
import CoordinatorShell
import Dispatch
import Foundation
import Logging
import Transport

/// A coordinator in a process of its own, on one core; prints its port, and ends with its standard input.
struct LoadCoordinator: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load-coordinator",
        abstract: "The process that the load benchmark measures.",
        shouldDisplay: false
    )

    @Argument(help: "The state folder.")
    var state: String

    func run() async throws {
        let folder = StateFolder(self.state)
        let lock = try folder.lock()
        defer { withExtendedLifetime(lock) {} }
        let store = try Store(writing: folder.database)
        var logger = Logger(label: "load")
        logger.logLevel = .warning
        let service = try CoordinatorService(
            state: folder,
            store: store,
            authority: try CertificateAuthority(folder: folder.authority),
            sweeps: [try store.sweep(named: "load")],
            version: "load",
            logger: logger
        )
        let limits = ListenerLimits(connections: 2048, connectionsPerAddress: 2048)
        let port = try await service.start(host: "127.0.0.1", port: 0, limits: limits)
        print(port)
        fflush(nil)
        let notices = Task { for await _ in service.notices {} }
        await withCheckedContinuation { continuation in
            Thread {
                _ = FileHandle.standardInput.readDataToEndOfFile()
                continuation.resume()
            }.start()
        }
        await service.shutdown()
        notices.cancel()
    }
}

/// The benchmark's side of that process.
final class CoordinatorProcess {
    /// The one that it may use.
    static let core = 0

    let port: Int
    private let process = Process()
    private let input = Pipe()

    /// Starts it and waits for its port.
    init(_ state: LoadState) throws {
        let output = Pipe()
        self.process.executableURL = URL(filePath: "/usr/bin/env")
        self.process.arguments = [
            "taskset", "-c", "\(Self.core)", "/proc/\(getpid())/exe", "load-coordinator", state.folder.path,
        ]
        self.process.standardInput = self.input
        self.process.standardOutput = output
        try self.process.run()
        var line = ""
        while !line.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw ValidationError("the coordinator's process ended at once") }
            line += String(decoding: data, as: UTF8.self)
        }
        guard let port = Int(line.dropLast()) else { throw ValidationError("\(line) is no port") }
        self.port = port
    }

    /// Seconds of the processor that it has used, and the memory that it has resident.
    var usage: (seconds: Double, residentBytes: Int) {
        func text(_ name: String) -> Substring {
            let data = FileManager.default.contents(atPath: "/proc/\(self.process.processIdentifier)/\(name)")
            return Substring(String(decoding: data ?? Data(), as: UTF8.self))
        }
        // Behind the name, which may hold anything: fields 3 and on; user and system time are 14 and 15.
        let fields = text("stat").drop { $0 != ")" }.split(separator: " ").dropFirst().map { Double($0) ?? 0 }
        let pages = text("statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return ((fields[11] + fields[12]) / Double(sysconf(Int32(_SC_CLK_TCK))), pages * sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Ends it in good order.
    func stop() {
        try? self.input.fileHandleForWriting.close()
        self.process.waitUntilExit()
    }

    /// Ends it at once.
    func kill() {
        Foundation.kill(self.process.processIdentifier, SIGKILL)
        self.process.waitUntilExit()
    }
}
