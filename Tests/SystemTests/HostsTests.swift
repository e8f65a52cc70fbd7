import Foundation
import Testing

@Suite(
    .serialized,
    .timeLimit(.minutes(10)),
    .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"),
    .enabled("network namespaces cannot be made here: that takes root and ip") { await Hosts.arePossible() }
)
struct HostsTests {
    /// Goal: a machine that has nothing but the program and the join line finishes a sweep, and joins again without a
    /// new line after it was killed.
    /// Method: coordinator and worker in two network namespaces, with separate caches and state folders.
    @Test func `a bare second host joins by the join line and finishes a sweep`() async throws {
        let (here, there) = (try Sandbox(), try Sandbox())
        try await Hosts.run(count: 1) { hosts in try await self.sweep(here, there, hosts) }
    }

    private func sweep(_ here: Sandbox, _ there: Sandbox, _ hosts: Hosts) async throws {
        let grid = try here.writeGrid(epochs: 20, seeds: 1)
        let launch = try here.start(
            [
                "launch", grid, "--state", "\(here.folder)/state", "--workers", "0", "--listen",
                "\(Hosts.middleAddress):0",
            ],
            prefix: hosts.prefix(0)
        )
        let join = try await self.joinLine(launch)
        #expect(join.contains(Hosts.middleAddress))
        let command = ["worker", "--join", join, "--cache", "\(there.folder)/cache"]
        let first = try there.start(command, prefix: hosts.prefix(1))
        _ = await launch.line(containing: "started")
        self.kill(there)
        _ = await first.wait()
        #expect(await there.waitUntilEmpty().isEmpty)
        // The token is used up; the certificate is not.
        let second = try there.start(command, prefix: hosts.prefix(1))
        #expect(await launch.wait() == 0, "\(launch.output)\n\(second.output)")
        #expect(await second.wait() == 0, "\(second.output)")
        #expect(launch.output.contains("lora"))
        let folders = try FileManager.default.contentsOfDirectory(atPath: "\(there.folder)/cache/folders")
        #expect(folders.count { !$0.hasPrefix(".") } == 2)
    }

    private func joinLine(_ launch: Running) async throws -> String {
        let line = try #require(await launch.line(containing: "quintet worker --join"), "\(launch.output)")
        return try #require(line.split(separator: " ").last.map(String.init))
    }

    private func kill(_ machine: Sandbox) {
        for process in machine.processes where process.kind == "worker" { Foundation.kill(process.id, SIGKILL) }
    }

    /// Goal: machines that come late, go for good or are cut off for a while change nothing in the table, to the byte.
    /// Method: a coordinator and three workers in namespaces of their own: one is killed, one loses its cable until the
    /// coordinator has given it up and then goes on, one joins only then. The same sweep on one machine.
    @Test func `one machine is cut off, one joins late and one is killed, and the table is a single machine's`()
        async throws
    {
        let here = try Sandbox()
        let machines = try (0..<3).map { _ in try Sandbox() }
        try await Hosts.run(count: 3) { hosts in try await self.sweep(here, machines, hosts) }
        for machine in machines { #expect(await machine.waitUntilEmpty().isEmpty) }
    }

    private func sweep(_ here: Sandbox, _ machines: [Sandbox], _ hosts: Hosts) async throws {
        let grid = try here.writeGrid(epochs: 60, seeds: 6)
        let (single, many) = ("\(here.folder)/single", "\(here.folder)/many")
        let launch = try here.start(
            ["launch", grid, "--state", many, "--workers", "0", "--listen", "0.0.0.0:0", "--joins", "3"],
            prefix: hosts.prefix(0)
        )
        let join = try await self.joinLine(launch)
        func worker(_ number: Int) throws -> Running {
            try machines[number - 1].start(
                ["worker", "--join", join, "--threads", "1", "--cache", "\(machines[number - 1].folder)/cache"],
                prefix: hosts.prefix(number)
            )
        }
        let (killed, cutOff) = (try worker(1), try worker(2))
        let name = try await self.name(cutOff)
        try await self.waitForStart(on: [try await self.name(killed), name], launch)
        self.kill(machines[0])
        try await hosts.setConnected(2, false)
        let late = try worker(3)
        #expect(await launch.line(containing: "\(name) is gone") != nil, "\(launch.output)")
        try await hosts.setConnected(2, true)
        try await self.wait("\(name) is back", launch) { $0.count { $0.contains("\(name) joined") } == 2 }
        #expect(await launch.wait() == 0, "\(launch.output)")
        #expect(await cutOff.wait() == 0, "\(cutOff.output)")
        #expect(await late.wait() == 0, "\(late.output)")
        #expect(await killed.wait() == -SIGKILL)

        #expect(try await here.run(["launch", grid, "--state", single]).code == 0)
        for format in ["json", "csv", "terminal"] {
            let tables = try await (
                here.run(["collect", "small", "--state", single, "--format", format]).output,
                here.run(["collect", "small", "--state", many, "--format", format]).output
            )
            #expect(tables.0 == tables.1)
            #expect(tables.0.contains("lora"))
        }
    }

    private func name(_ worker: Running) async throws -> String {
        let line = try #require(await worker.line(containing: " works for "), "\(worker.output)")
        return try #require(line.split(separator: " ").first.map(String.init))
    }

    /// Until each of these workers trains.
    private func waitForStart(on workers: [String], _ launch: Running) async throws {
        try await self.wait("all train", launch) { lines in
            workers.allSatisfy { worker in
                lines.contains { $0.contains("started") && $0.contains(worker) }
            }
        }
    }

    /// Until the session's lines are as they should be; an error where it ends before.
    private func wait(_ what: String, _ launch: Running, _ isSo: ([Substring]) -> Bool) async throws {
        while !isSo(launch.output.split(separator: "\n")) {
            try #require(launch.isRunning, "it ended before \(what): \(launch.output)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
