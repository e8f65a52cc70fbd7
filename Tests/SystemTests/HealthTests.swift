import Foundation
import Testing

@Suite(.serialized, .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"))
struct HealthTests {
    /// Goal: whoever watches a coordinator and a worker sees them well, frozen, alone and gone; and a machine can be
    /// looked at before it joins, at no cost to the token.
    /// Method: real processes; the coordinator is stopped by a signal, and answers nobody while it is.
    @Test func `a coordinator and a worker are well, frozen, alone and gone`() async throws {
        let sandbox = try Sandbox()
        // Also where something below fails.
        defer { for process in sandbox.processes { kill(process.id, SIGKILL) } }
        let (state, folder) = (["--state", "\(sandbox.folder)/state"], "\(sandbox.folder)/worker")
        func health(_ arguments: [String]) async throws -> (code: Int32, output: String) {
            try await sandbox.run(["health"] + arguments)
        }
        var (code, output) = try await health(state)
        #expect(code == 1 && output.contains("no coordinator has opened its port"), "\(output)")
        #expect(try await health(["--worker", folder]).code == 1)

        let coordinator = try sandbox.start(["coordinator", "--listen", "127.0.0.1:0"] + state)
        let line = try #require(await coordinator.line(containing: "quintet worker --join"), "\(coordinator.output)")
        let join = try #require(line.split(separator: " ").last.map(String.init))
        (code, output) = try await health(state)
        #expect(code == 0 && output == "ok\n", "\(output)")

        // Twice, and the one token still lets a worker in.
        for _ in 0..<2 {
            (code, output) = try await sandbox.run(
                ["doctor", "--join", join, "--listen", "127.0.0.1:0", "--cache", "\(sandbox.folder)/cache"] + state
            )
            #expect(code == 0 && output.contains("answers and is the join line's"), "\(output)")
        }
        let worker = try sandbox.start(["worker", "--join", join, "--folder", folder])
        try await sandbox.wait { try await health(["--worker", folder, "--ready"]).code == 0 }

        coordinator.signal(SIGSTOP)
        (code, output) = try await health(state)
        #expect(code == 1, "\(output)")
        coordinator.signal(SIGCONT)
        try await sandbox.wait { try await health(state).code == 0 }

        coordinator.signal(SIGKILL)
        _ = await coordinator.wait()
        try await sandbox.wait { try await health(["--worker", folder, "--ready"]).code == 1 }
        (code, output) = try await health(["--worker", folder])
        #expect(code == 0, "\(output)")
        (code, output) = try await sandbox.run(["doctor", "--join", join] + state)
        #expect(code == 1 && output.contains("BAD      coordinator"), "\(output)")
        worker.signal(SIGINT)
        _ = await worker.wait()
        #expect(try await health(["--worker", folder]).code == 1)
        #expect(await sandbox.waitUntilEmpty().isEmpty)
    }
}

extension Sandbox {
    /// Asks again until it is so, a minute at the longest.
    fileprivate func wait(until isSo: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while !(try await isSo()) {
            try #require(ContinuousClock.now < deadline, "it is not so after a minute")
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}
