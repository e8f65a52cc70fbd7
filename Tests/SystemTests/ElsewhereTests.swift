import Foundation
import Testing

/// This machine under another name.
private enum Elsewhere {
    /// Starts a program there.
    static let prefix = ["unshare", "--uts", "sh", "-c", "hostname elsewhere && exec \"$@\"", "sh"]

    static func isPossible() async -> Bool {
        let running = try? Running(Self.prefix + ["true"], environment: ProcessInfo.processInfo.environment)
        return await running?.wait() == 0
    }
}

/// Commands on another machine that has the state folder, too.
@Suite(
    .serialized,
    .timeLimit(.minutes(5)),
    .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"),
    .enabled("a machine's name cannot be changed for one program here: that takes root and unshare") {
        await Elsewhere.isPossible()
    }
)
struct ElsewhereTests {
    private let sandbox: Sandbox
    private var folder: String { "\(self.sandbox.folder)/state" }
    private var state: [String] { ["--state", self.folder] }

    init() throws { self.sandbox = try Sandbox() }

    private func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self.folder).sorted()
    }

    /// What a command says here, which it must say from elsewhere, too; it leaves no file behind.
    private func readTwice(_ command: [String]) async throws -> String {
        let here = try await self.sandbox.run(command + self.state)
        let before = try self.files()
        let there = try await self.sandbox.run(command + self.state, prefix: Elsewhere.prefix)
        #expect(there.code == 0 && there.output == here.output, "\(there.output)\n\(here.output)")
        #expect(try self.files() == before)
        return here.output
    }

    private func coordinator(_ options: [String] = []) async throws -> (running: Running, join: String) {
        let running = try self.sandbox.start(["coordinator", "--listen", "127.0.0.1:0"] + options + self.state)
        let line = try #require(await running.line(containing: "quintet worker --join"), "\(running.output)")
        return (running, try #require(line.split(separator: " ").last.map(String.init)))
    }

    /// Goal: who reads the state folder from another machine sees what its coordinator's machine sees, and follows a
    /// sweep to its table.
    /// Method: the same processes under another machine's name, while a coordinator has a sweep that was interrupted.
    @Test func `a state folder reads the same from another machine while its coordinator runs`() async throws {
        let session = try self.sandbox.start(["launch", try self.sandbox.writeGrid(epochs: 30)] + self.state)
        #expect(await session.line(containing: "finished") != nil, "\(session.output)")
        session.signal(SIGINT)
        _ = await session.wait()
        let (coordinator, join) = try await self.coordinator(["--advertise", "localhost"])
        let status = try await self.readTwice(["status"])
        #expect(status.hasPrefix("small: "), "\(status)")
        _ = try await self.readTwice(["collect", "--partial"])
        let follower = try self.sandbox.start(["status", "--follow"] + self.state, prefix: Elsewhere.prefix)
        let worker = try self.sandbox.start(["worker", "--join", join, "--folder", "\(self.sandbox.folder)/worker"])
        #expect(await follower.wait() == 0, "\(follower.output)\n\(worker.output)")
        #expect(follower.output.hasSuffix(try await self.readTwice(["collect"])), "\(follower.output)")
        worker.signal(SIGINT)
        _ = await worker.wait()
        coordinator.signal(SIGKILL)
        _ = await coordinator.wait()
        // What it has left does not keep others from reading.
        _ = try await self.readTwice(["status"])
        #expect(try self.files().allSatisfy { !$0.hasPrefix("copy-") })
        #expect(await self.sandbox.waitUntilEmpty().isEmpty)
    }

    /// Goal: no other machine takes itself for the coordinator's.
    @Test func `a coordinator that only its own machine reaches is not looked for on another`() async throws {
        let (coordinator, _) = try await self.coordinator()
        for command in [["status"], ["collect"], ["workers"]] {
            let (code, output) = try await self.sandbox.run(command + self.state, prefix: Elsewhere.prefix)
            #expect(code == 1 && output.contains("run this on "), "\(output)")
        }
        coordinator.signal(SIGINT)
        #expect(await coordinator.wait() == 0)
        #expect(await self.sandbox.waitUntilEmpty().isEmpty)
    }
}
