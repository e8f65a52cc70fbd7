import Foundation

/// Network namespaces as machines: one in the middle, and a cable from it to each of the others. Gone again at the end.
/// Needs root and `ip`.
final class Hosts: Sendable {
    private let names: [String]

    /// - Parameter count: machines beside the one in the middle.
    init(count: Int) async throws {
        let id = ProcessInfo.processInfo.processIdentifier
        self.names = (0...count).map { "quintet-\(id)-\($0)" }
        for name in self.names {
            try await Self.ip("netns add \(name)")
            try await Self.ip("-n \(name) link set lo up")
        }
        for number in 1...count {
            let (cable, end) = (Self.cable(number), "qb\(number)-\(id % 1_000_000)")
            try await Self.ip("link add \(cable) type veth peer name \(end)")
            for (host, cable, last) in [(self.names[0], cable, 1), (self.names[number], end, 2)] {
                try await Self.ip("link set \(cable) netns \(host)")
                try await Self.ip("-n \(host) addr add \(Self.network(number)).\(last)/24 dev \(cable)")
                try await Self.ip("-n \(host) link set \(cable) up")
            }
            try await Self.ip("-n \(self.names[number]) route add default via \(Self.network(number)).1")
        }
    }

    /// The middle one's address on its first cable; all others reach it.
    static let middleAddress = "\(network(1)).1"

    private static func network(_ number: Int) -> String { "10.213.\(76 + number)" }

    private static func cable(_ number: Int) -> String {
        "qa\(number)-\(ProcessInfo.processInfo.processIdentifier % 1_000_000)"
    }

    /// What starts a program on a machine; 0 is the one in the middle.
    func prefix(_ number: Int) -> [String] { ["ip", "netns", "exec", self.names[number]] }

    /// Pulls a machine's cable out, or puts it in again.
    func setConnected(_ number: Int, _ isConnected: Bool) async throws {
        try await Self.ip("-n \(self.names[0]) link set \(Self.cable(number)) \(isConnected ? "up" : "down")")
    }

    private func remove() async {
        for name in self.names { try? await Self.ip("netns del \(name)") }
    }

    /// Makes machines for the time of a test.
    static func run(count: Int, _ body: (Hosts) async throws -> Void) async throws {
        let hosts = try await Hosts(count: count)
        do {
            try await body(hosts)
        } catch {
            await hosts.remove()
            throw error
        }
        await hosts.remove()
    }

    private static func ip(_ words: String) async throws {
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
