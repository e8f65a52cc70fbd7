import Foundation
import Testing

@Suite(.serialized, .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"))
struct TrustTests {
    /// Goal: a person decides from the command line who works, while the coordinator runs and while none does.
    @Test func `a machine waits for approval, works, and is banned at work`() async throws {
        let sandbox = try Sandbox()
        let state = ["--state", "\(sandbox.folder)/state"]
        let grid = try sandbox.writeGrid(epochs: 400, seeds: 1)
        let launch = try sandbox.start(
            ["launch", grid, "--workers", "0", "--listen", "127.0.0.1:0", "--approve-by-hand"] + state
        )
        let line = try #require(await launch.line(containing: "quintet worker --join"), "\(launch.output)")
        let join = try #require(line.split(separator: " ").last.map(String.init))
        let worker = try sandbox.start(["worker", "--join", join, "--folder", "\(sandbox.folder)/worker"])
        let waiting = try #require(await worker.line(containing: "waits for approval"), "\(worker.output)")
        let name = try #require(waiting.split(separator: " ").last.map(String.init))

        let asked = try await sandbox.run(["workers"] + state)
        #expect(asked.code == 0 && asked.output.contains("\(name)  waits for approval"), "\(asked.output)")
        let approved = try await sandbox.run(["approve", name] + state)
        #expect(approved.code == 0, "\(approved.output)")
        _ = try #require(await launch.line(containing: "started"), "\(launch.output)")
        #expect(try await sandbox.run(["workers"] + state).output.contains("\(name)  connected"))

        let unknown = try await sandbox.run(["ban", "nobody"] + state)
        #expect(unknown.code == 1 && unknown.output.contains(name), "\(unknown.output)")
        let banned = try await sandbox.run(["ban", name] + state)
        #expect(banned.code == 0, "\(banned.output)")
        #expect(await worker.wait() == 1)
        #expect(worker.output.contains("\(name) is banned here"), "\(worker.output)")
        let again = try await sandbox.run(["worker", "--join", join, "--folder", "\(sandbox.folder)/worker"])
        #expect(again.code == 1 && again.output.contains("\(name) is banned here"), "\(again.output)")

        launch.signal(SIGINT)
        _ = await launch.wait()
        #expect(try await sandbox.run(["workers"] + state).output.contains("\(name)  banned"))
        #expect(try await sandbox.run(["rotate", "--window-days", "1"] + state).code == 0)
        #expect(try await sandbox.run(["workers", "--state", "\(sandbox.folder)/none"]).code == 1)
        #expect(await sandbox.waitUntilEmpty().isEmpty)
    }
}
