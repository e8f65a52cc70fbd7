import Foundation
import Testing

/// Sweeps on machines that are reached through ssh.
@Suite(
    .serialized,
    .timeLimit(.minutes(5)),
    .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"),
    .enabled(if: SSHDaemon.isPossible, "no daemon of ssh can be started here: that takes root and openssh-server")
)
struct SSHTests {
    private static let addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    private let sandbox: Sandbox

    init() throws { self.sandbox = try Sandbox() }

    private func writeHosts(_ daemon: SSHDaemon) throws -> String {
        let path = "\(self.sandbox.folder)/hosts.yaml"
        let hosts = Self.addresses.map { "  - {host: root@\($0), folder: \(self.folder(of: $0))}" }
        let text = """
            hosts:
            \(hosts.joined(separator: "\n"))
            defaults: {threads: 1}
            options: [\(daemon.options.joined(separator: ", "))]
            """
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// With what a shell would take apart.
    private func folder(of address: String) -> String { "\(self.sandbox.folder)/it's \(address)" }

    /// Workers and trainers that were started on a host.
    private func processes(on address: String) -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { id in
            let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/cwd")
            let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/exe")
            return place == self.folder(of: address) && program?.contains("/programs/quintet-") == true
        }
    }

    private func waitUntilGone() async throws {
        while Self.addresses.contains(where: { !self.processes(on: $0).isEmpty }) {
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Goal: hosts that have nothing get the program and work; one that is down is named, and works once it is back; the
    /// table is this machine's own; nothing is left on any host.
    @Test func `hosts get the program and run the sweep, also one that was down at first`() async throws {
        let daemon = try await SSHDaemon(folder: "\(self.sandbox.folder)/ssh")
        defer { daemon.stop() }
        try await daemon.start(addresses: Array(Self.addresses.prefix(2)))
        let (grid, hosts) = (try self.sandbox.writeGrid(epochs: 40), try self.writeHosts(daemon))
        let (here, there) = ("\(self.sandbox.folder)/here", "\(self.sandbox.folder)/there")
        #expect(try await self.sandbox.run(["launch", grid, "--state", here]).code == 0)

        let launch = try self.sandbox.start(["launch", grid, "--state", there, "--on", hosts])
        let down = await launch.line(containing: "127.0.0.3 is not at work")
        #expect(down?.contains("Connection refused") == true, "\(launch.output)")
        try await daemon.start(addresses: [Self.addresses[2]])
        #expect(await launch.wait() == 0, "\(launch.output)")
        try await self.waitUntilGone()
        let tables = try await (
            self.sandbox.run(["collect", "small", "--state", here, "--format", "json"]).output,
            self.sandbox.run(["collect", "small", "--state", there, "--format", "json"]).output
        )
        #expect(tables.0 == tables.1)
        #expect(tables.0.contains("lora"))
        for address in Self.addresses.prefix(2) {
            #expect(launch.output.contains("root@\(address) gets the program"))
            let programs = try FileManager.default.contentsOfDirectory(atPath: "\(self.folder(of: address))/programs")
            #expect(programs.count == 1)
        }

        // The second time, they have it.
        let more = try self.sandbox.writeGrid(epochs: 40, seeds: 3)
        let again = try await self.sandbox.run(["launch", more, "--state", there, "--on", hosts])
        #expect(again.code == 0, "\(again.output)")
        #expect(!again.output.contains("127.0.0.1 gets the program"))
        try await self.waitUntilGone()
    }

    /// Goal: a session that dies leaves nothing at work on any host, and `resume` goes on there.
    @Test func `a launcher that is killed takes its workers along, and resume starts them again`() async throws {
        let daemon = try await SSHDaemon(folder: "\(self.sandbox.folder)/ssh")
        defer { daemon.stop() }
        try await daemon.start(addresses: Self.addresses)
        let (grid, hosts) = (try self.sandbox.writeGrid(epochs: 40), try self.writeHosts(daemon))
        let state = "\(self.sandbox.folder)/state"
        let launch = try self.sandbox.start(["launch", grid, "--state", state, "--on", hosts])
        #expect(await launch.line(containing: "started") != nil, "\(launch.output)")
        #expect(Self.addresses.contains { !self.processes(on: $0).isEmpty })
        launch.signal(SIGKILL)
        _ = await launch.wait()
        try await self.waitUntilGone()
        let resumed = try await self.sandbox.run(["resume", "--state", state, "--on", hosts])
        #expect(resumed.code == 0, "\(resumed.output)")
        try await self.waitUntilGone()
    }
}
