import Foundation
import Testing

/// Sessions that run without a terminal.
@Suite(
    .serialized,
    .timeLimit(.minutes(5)),
    .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests")
)
struct DetachTests {
    private let sandbox: Sandbox
    private var state: String { "\(self.sandbox.folder)/state" }

    init() throws { self.sandbox = try Sandbox() }

    private func launch(_ grid: String) async throws -> (code: Int32, output: String) {
        try await self.sandbox.run(["launch", grid, "--state", self.state, "--detach"])
    }

    /// Goal: the terminal comes back at once, and whoever follows sees the sweep to its end and gets its table.
    @Test func `a detached sweep is followed to its table`() async throws {
        let grid = try self.sandbox.writeGrid(epochs: 30)
        let launched = try await self.launch(grid)
        #expect(launched.code == 0, "\(launched.output)")
        #expect(launched.output.contains("runs in the background as process"))
        let followed = try await self.sandbox.run(["status", "--follow", "--state", self.state])
        #expect(followed.code == 0, "\(followed.output)")
        let table = try await self.sandbox.run(["collect", "--state", self.state])
        #expect(followed.output.hasSuffix(table.output))
        #expect(await self.sandbox.waitUntilEmpty().isEmpty)
        // Nothing is left to run: the table comes at once.
        let again = try await self.launch(grid)
        #expect(again.code == 0)
        #expect(again.output.contains("lora"))
    }

    /// Goal: what cannot start says why in the terminal, not in a log alone.
    @Test func `a detached sweep that cannot start says why`() async throws {
        let grid = try self.sandbox.writeGrid(epochs: 300)
        #expect(try await self.launch(grid).code == 0)
        let second = try await self.launch(grid)
        #expect(second.code == 1)
        #expect(second.output.contains("is used by another coordinator"), "\(second.output)")
        #expect(try await self.sandbox.run(["cancel", "small", "--state", self.state]).code == 0)
        #expect(await self.sandbox.waitUntilEmpty(seconds: 60).isEmpty)
    }

    /// Goal: a person's `cancel` ends the session, too, and what was finished is kept.
    @Test func `cancel ends a session, and resume goes on`() async throws {
        let grid = try self.sandbox.writeGrid(epochs: 30)
        let session = try self.sandbox.start(["launch", grid, "--state", self.state])
        #expect(await session.line(containing: "finished") != nil, "\(session.output)")
        let follower = try self.sandbox.start(["status", "--follow", "--state", self.state])
        #expect(try await self.sandbox.run(["cancel", "small", "--state", self.state]).code == 0)
        #expect(await session.wait() == 130, "\(session.output)")
        #expect(session.output.contains("quintet resume small"))
        #expect(await follower.wait() == 1)
        #expect(await self.sandbox.waitUntilEmpty().isEmpty)
        let resumed = try await self.sandbox.run(["resume", "--state", self.state])
        #expect(resumed.code == 0, "\(resumed.output)")
        #expect(resumed.output.contains("have their results already"))
    }

    /// Goal: who follows a sweep sees the end of it also where its coordinator goes on with others.
    @Test func `a sweep that is cancelled at a coordinator is followed no further`() async throws {
        let grid = try self.sandbox.writeGrid(epochs: 30)
        let state = ["--state", self.state]
        let coordinator = try self.sandbox.start(["coordinator", "--listen", "127.0.0.1:0", "--grid", grid] + state)
        #expect(await coordinator.line(containing: "quintet worker --join") != nil, "\(coordinator.output)")
        let follower = try self.sandbox.start(["status", "--follow"] + state)
        #expect(try await self.sandbox.run(["cancel", "small"] + state).code == 0)
        #expect(await follower.wait() == 1)
        #expect(follower.output.contains("4 of 4 shards have no result"), "\(follower.output)")
        coordinator.signal(SIGINT)
        #expect(await coordinator.wait() == 0)
        #expect(await self.sandbox.waitUntilEmpty().isEmpty)
    }

    /// Goal: who follows a sweep that nobody works on is told what to do.
    @Test func `a sweep that nobody works on is not followed for ever`() async throws {
        let grid = try self.sandbox.writeGrid(epochs: 300)
        let session = try self.sandbox.start(["launch", grid, "--state", self.state])
        #expect(await session.line(containing: "started") != nil, "\(session.output)")
        session.signal(SIGKILL)
        _ = await session.wait()
        let follower = try await self.sandbox.run(["status", "--follow", "--state", self.state])
        #expect(follower.code == 1)
        #expect(follower.output.contains("quintet resume small"), "\(follower.output)")
        #expect(await self.sandbox.waitUntilEmpty().isEmpty)
    }

    /// Goal: what a person decided holds where a cluster manager starts the coordinator's job again: nothing that was
    /// given up is tried again, and a cancelled sweep does not go on.
    @Test func `a job that starts again retries nothing that was given up`() async throws {
        let grid = try self.sandbox.writeGrid(
            methods: ["full"],
            seeds: 1,
            defaults: "weightDecay: 1000, gradientClip: 0"
        )
        let hopeless = try String(contentsOfFile: grid, encoding: .utf8).replacing("2e-3", with: "1000")
        try hopeless.write(toFile: grid, atomically: true, encoding: .utf8)
        let launched = try await self.sandbox.run(["launch", grid, "--state", self.state])
        #expect(launched.code == 1 && launched.output.contains("lower learningRate"), "\(launched.output)")
        let resume = ["resume", "small", "--as-job", "--state", self.state]
        for (restarts, isRetried) in [("0", true), ("1", false)] {
            let job = try await self.sandbox.run(resume, environment: ["SLURM_RESTART_COUNT": restarts])
            #expect(job.code == 1 && job.output.contains("lower learningRate"), "\(job.output)")
            #expect(job.output.contains("trying 1 shards again") == isRetried, "\(job.output)")
        }
        #expect(try await self.sandbox.run(["cancel", "small", "--state", self.state]).code == 0)
        let cancelled = try await self.sandbox.run(resume)
        #expect(cancelled.code == 1 && cancelled.output.contains("was cancelled"), "\(cancelled.output)")
        #expect(await self.sandbox.waitUntilEmpty().isEmpty)
    }
}
