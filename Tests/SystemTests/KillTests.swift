import Foundation
import TestSupport
import Testing

/// The real program under `kill -9`. Needs the `quintet` executable, which `swift test` builds beside the tests.
@Suite(.serialized, .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"))
struct KillTests {
    private enum Victim: CaseIterable { case worker, trainer, coordinator }

    /// Two, or as many as `QUINTET_KILL_SEEDS` asks for.
    private static let seeds: ClosedRange<UInt64> =
        1...(ProcessInfo.processInfo.environment["QUINTET_KILL_SEEDS"].flatMap { UInt64($0) } ?? 2)

    /// Goal: whatever is killed at whatever moment, the table is byte for byte that of an undisturbed run, no finished
    /// shard runs again, and nothing is left behind.
    /// Method: a sweep whose parts are killed at moments that a seed chooses, resumed until it ends; the same sweep
    /// undisturbed; both tables compared in their most exact form.
    @Test(arguments: Self.seeds)
    func `a sweep under kill -9 gives the table of an undisturbed one`(seed: UInt64) async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid()
        let (calm, stormy) = ("\(sandbox.folder)/calm", "\(sandbox.folder)/stormy")
        #expect(try await sandbox.run(["launch", grid, "--state", calm]).code == 0)

        var random = SplitMix64(seed: seed)
        var running = try sandbox.start(["launch", grid, "--state", stormy])
        var sessions: [Running] = [running]
        var kills = Int.random(in: 4...7, using: &random)
        while true {
            if kills > 0 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...1500, using: &random)))
                kills -= 1
                Self.kill(Victim.allCases.randomElement(using: &random) ?? .worker, in: sandbox, running)
            } else {
                _ = await running.wait()
            }
            guard !running.isRunning else { continue }
            let code = await running.wait()
            let left = await sandbox.waitUntilEmpty()
            #expect(left.isEmpty, "left behind: \(left)")
            // Killed before the sweep was stored, it is launched again; shards may have failed for good, as they are
            // allowed to: resuming retries them.
            if code == 0 { break }
            try #require(sessions.count < 20, "\(running.output)")
            running = try sandbox.start(["launch", grid, "--state", stormy])
            sessions.append(running)
        }

        for format in ["json", "csv", "markdown"] {
            let tables = try await (
                sandbox.run(["collect", "small", "--state", calm, "--format", format]),
                sandbox.run(["collect", "small", "--state", stormy, "--format", format])
            )
            #expect(tables.0.output == tables.1.output)
            #expect(tables.0.output.contains("lora"))
        }
        var finished: Set<Substring> = []
        for line in sessions.flatMap({ $0.output.split(separator: "\n") }) {
            let words = line.split(separator: " ")
            guard words.count > 3 else { continue }
            if words[0] == "started" { #expect(!finished.contains(words[1]), "\(words[1]) runs again") }
            if words[0] == "finished" { #expect(finished.insert(words[1]).inserted, "\(words[1]) finished twice") }
        }
    }

    private static func kill(_ victim: Victim, in sandbox: Sandbox, _ coordinator: Running) {
        let kind =
            switch victim {
            case .worker: "worker"
            case .trainer: "train"
            case .coordinator: "launch"
            }
        guard let process = sandbox.processes.first(where: { $0.kind == kind }) else { return }
        Foundation.kill(process.id, SIGKILL)
    }

    @Test func `Ctrl-C keeps the checkpoints, says how to go on, and resuming ends with the same table`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 40, seeds: 1)
        let (calm, stopped) = ("\(sandbox.folder)/calm", "\(sandbox.folder)/stopped")
        #expect(try await sandbox.run(["launch", grid, "--state", calm]).code == 0)
        let running = try sandbox.start(["launch", grid, "--state", stopped])
        _ = await running.line(containing: "started")
        running.signal(SIGINT)
        #expect(await running.wait() == 130)
        #expect(running.output.contains("resume with: quintet resume small --state \(stopped)"))
        #expect(await sandbox.waitUntilEmpty().isEmpty)
        // Paused meanwhile, too: resuming lets it go on.
        #expect(try await sandbox.run(["pause", "small", "--state", stopped]).code == 0)
        let resumed = try await sandbox.run(["resume", "small", "--state", stopped])
        #expect(resumed.code == 0, "\(resumed.output)")
        let tables = try await (
            sandbox.run(["collect", "--state", calm, "--format", "json"]),
            sandbox.run(["collect", "--state", stopped, "--format", "json"])
        )
        #expect(tables.0.output == tables.1.output)
    }
}
