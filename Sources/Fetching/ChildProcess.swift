import Foundation

/// Runs another program to its end.
enum ChildProcess {
    /// How many characters of what a program printed go into an error.
    private static let tailLimit = 400

    /// - Parameters:
    ///   - arguments: the program, looked up in `PATH`, and its arguments.
    ///   - log: a file for what it prints.
    ///   - secondsLimit: after which it is ended.
    /// - Throws: ``FetchError`` with the end of what it printed, where it does not exit with 0; `CancellationError`
    ///   where the task was cancelled, which ends the program too.
    static func run(_ arguments: [String], log: URL, secondsLimit: Double) async throws {
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        guard let output = try? FileHandle(forWritingTo: log) else {
            throw FetchError("cannot write \(log.path)")
        }
        defer { try? output.close() }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        let (ends, end) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = {
            end.yield($0.terminationStatus)
            end.finish()
        }
        do {
            try self.start(process)
        } catch {
            throw FetchError("cannot start \(arguments.first ?? "a program"): \(error.localizedDescription)")
        }
        let identifier = process.processIdentifier
        let timer = DispatchSource.makeTimerSource()
        timer.setEventHandler { kill(identifier, SIGTERM) }
        timer.schedule(deadline: .now() + secondsLimit)
        timer.resume()
        defer { timer.cancel() }
        // The stream's own end on cancellation would leave the program running.
        let status = await withTaskCancellationHandler {
            await Task { await ends.first { _ in true } }.value
        } onCancel: {
            kill(identifier, SIGTERM)
        }
        try Task.checkCancellation()
        guard status == 0 else {
            let text = String(decoding: (try? Data(contentsOf: log)) ?? Data(), as: UTF8.self)
            let tail = String(text.trimmingCharacters(in: .whitespacesAndNewlines).suffix(self.tailLimit))
            throw FetchError(
                "\(arguments.prefix(4).joined(separator: " ")) ended with \(status.map(String.init) ?? "nothing"): "
                    + (tail.isEmpty ? "it printed nothing" : tail)
            )
        }
    }

    /// The threads that run tasks block all signals, and a child inherits that: it could not be ended.
    private static func start(_ process: Process) throws {
        var (all, old) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_UNBLOCK, &all, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        try process.run()
    }
}
