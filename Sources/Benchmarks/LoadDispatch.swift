import CoordinatorShell
import Foundation
import Transport

// (a): shards whose workers answer at once, and the same through other schedulers.
extension LoadBenchmark {
    /// - Returns: shards a second, the time of their submission included.
    func dispatch() async throws -> Double {
        let submitting = ContinuousClock.now
        let state = try LoadState(shards: self.shards)
        let submitted = ContinuousClock.now
        let coordinator = try CoordinatorProcess(state)
        defer { coordinator.stop() }
        let identities = try self.identities(self.workers, state)
        let (port, slots) = (coordinator.port, self.slots)
        let before = coordinator.usage.seconds
        let start = ContinuousClock.now
        let settled = try await withThrowingTaskGroup(of: Int.self) { group in
            for identity in identities {
                group.addTask {
                    try await LoadWorker(identity, port: port, slots: slots).finishAll()
                }
            }
            return try await group.reduce(0, +)
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let used = coordinator.usage.seconds - before
        guard settled >= state.shards.count else { throw LoadError("\(settled) of \(state.shards.count) settled") }
        let rate = Double(state.shards.count) / seconds
        self.report(
            "(a) leases, \(self.workers) workers × \(self.slots) slots",
            "\(Int(rate))/s, \(Int(used / Double(state.shards.count) * 1e6)) µs of the core each",
            target: "5,000/s",
            isMet: rate >= 5000
        )
        return Double(state.shards.count) / ((submitted - submitting) / .seconds(1) + seconds)
    }

    /// Submits and runs as many tasks that do nothing through other schedulers, which may use the same core.
    ///
    /// - Parameter ours: the rate of ``dispatch()``.
    func compare(python: String, ours: Double) {
        print("    submission included: quintet".padded(44) + "\(Int(ours))/s (durable, mutual TLS)")
        for system in ["dask", "dask-tls", "ray", "hyperqueue"] {
            print("    submission included: \(system)".padded(44) + self.rate(of: system, python))
            fflush(nil)
        }
    }

    /// Another scheduler's tasks a second and what differs; or why there is no figure.
    private func rate(of system: String, _ python: String) -> String {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "reference/dispatch.py").path
        let command = [
            "timeout", "--kill-after=10", "120", python, script, system, "--tasks", "\(self.shards)",
            "--core", "\(CoordinatorProcess.core)",
        ]
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return "\(error)" }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        switch process.terminationStatus {
        case 0:
            // Some print before.
            let words = text.split(separator: "\n").last?.split(separator: " ", maxSplits: 1) ?? []
            return words.count == 2 ? "\(words[0])/s (\(words[1]))" : "printed \(text)"
        case 3: return "not in this Python"
        case 124, 137, SIGKILL: return "not done within 120 s"
        default: return "failed; run it by hand: \(command.joined(separator: " "))"
        }
    }
}
