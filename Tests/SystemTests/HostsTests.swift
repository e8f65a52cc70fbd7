import Foundation
import Testing

/// Two network namespaces with a cable between them, gone again at the end. Needs root and `ip`.
private final class TwoHosts: Sendable {
    let (first, second): (String, String)
    static let firstAddress = "10.213.77.1"
    private static let secondAddress = "10.213.77.2"

    init() async throws {
        let id = ProcessInfo.processInfo.processIdentifier
        (self.first, self.second) = ("quintet-\(id)-a", "quintet-\(id)-b")
        try await Self.ip("netns add \(self.first)")
        try await Self.ip("netns add \(self.second)")
        let (cableA, cableB) = ("qa\(id % 1_000_000)", "qb\(id % 1_000_000)")
        try await Self.ip("link add \(cableA) type veth peer name \(cableB)")
        for (host, cable, address) in [
            (self.first, cableA, Self.firstAddress), (self.second, cableB, Self.secondAddress),
        ] {
            try await Self.ip("link set \(cable) netns \(host)")
            try await Self.ip("-n \(host) addr add \(address)/24 dev \(cable)")
            try await Self.ip("-n \(host) link set \(cable) up")
            try await Self.ip("-n \(host) link set lo up")
        }
    }

    func remove() async {
        for host in [self.first, self.second] { try? await Self.ip("netns del \(host)") }
    }

    static func prefix(_ host: String) -> [String] { ["ip", "netns", "exec", host] }

    static func ip(_ words: String) async throws {
        let running = try Running(
            ["ip"] + words.split(separator: " ").map(String.init),
            environment: ProcessInfo.processInfo.environment
        )
        let code = await running.wait()
        guard code == 0 else { throw HostsError(description: "ip \(words): \(running.output)") }
    }

    /// Whether this machine lets a test make namespaces.
    static func arePossible() async -> Bool {
        let name = "quintet-\(ProcessInfo.processInfo.processIdentifier)-try"
        guard (try? await self.ip("netns add \(name)")) != nil else { return false }
        let canLink = (try? await self.ip("-n \(name) link add qx type veth peer name qy")) != nil
        try? await self.ip("netns del \(name)")
        return canLink
    }
}

private struct HostsError: Error, CustomStringConvertible {
    let description: String
}

@Suite(.serialized, .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"))
struct HostsTests {
    /// Goal: a machine that has nothing but the program and the join line finishes a sweep, and joins again without a
    /// new line after it was killed.
    /// Method: coordinator and worker in two network namespaces, with separate caches and state folders.
    @Test(.enabled("network namespaces cannot be made here: that takes root and ip") { await TwoHosts.arePossible() })
    func `a bare second host joins by the join line and finishes a sweep`() async throws {
        let (here, there) = (try Sandbox(), try Sandbox())
        let hosts = try await TwoHosts()
        do {
            try await self.sweep(here, there, hosts)
        } catch {
            await hosts.remove()
            throw error
        }
        await hosts.remove()
    }

    private func sweep(_ here: Sandbox, _ there: Sandbox, _ hosts: TwoHosts) async throws {
        let grid = try here.writeGrid(epochs: 20, seeds: 1)
        let launch = try here.start(
            [
                "launch", grid, "--state", "\(here.folder)/state", "--workers", "0", "--listen",
                "\(TwoHosts.firstAddress):0",
            ],
            prefix: TwoHosts.prefix(hosts.first)
        )
        let line = try #require(await launch.line(containing: "quintet worker --join"), "\(launch.output)")
        let join = try #require(line.split(separator: " ").last.map(String.init))
        #expect(join.contains(TwoHosts.firstAddress))
        let command = ["worker", "--join", join, "--cache", "\(there.folder)/cache"]
        let first = try there.start(command, prefix: TwoHosts.prefix(hosts.second))
        _ = await launch.line(containing: "started")
        for process in there.processes where process.kind == "worker" { kill(process.id, SIGKILL) }
        _ = await first.wait()
        #expect(await there.waitUntilEmpty().isEmpty)
        // The token is used up; the certificate is not.
        let second = try there.start(command, prefix: TwoHosts.prefix(hosts.second))
        #expect(await launch.wait() == 0, "\(launch.output)\n\(second.output)")
        #expect(await second.wait() == 0, "\(second.output)")
        #expect(launch.output.contains("lora"))
        let folders = try FileManager.default.contentsOfDirectory(atPath: "\(there.folder)/cache/folders")
        #expect(folders.count { !$0.hasPrefix(".") } == 2)
    }
}
