import Foundation
import Testing

/// The attacks that a cluster like this one must turn away, and the test of each with its expected refusal.
@Suite struct AttackListTests {
    private static let attacks: [(attack: String, tests: [String])] = [
        ("wrong authority", ["another authority's worker", "another authority's coordinator"]),
        (
            "wrong role, both ways",
            [
                "a role that may not connect", "a worker that poses as coordinator",
                "a worker that poses as coordinator gets no token", "an operator's certificate is no worker's",
                "a worker's certificate is no operator's, neither at first nor later",
            ]
        ),
        ("expired, not yet valid", ["an expired certificate, and one from the future"]),
        (
            "banned on a live connection",
            [
                "a ban on a live connection ends it, and what is sent after it is not taken",
                "every connection of a banned worker ends",
            ]
        ),
        (
            "token shown again, by the same key and by another",
            [
                "a repeat after a lost reply shows the same key",
                "a token is good for so many keys, for the same key again, and not for ever",
            ]
        ),
        ("token after its lifetime", ["a token lets in nobody after its lifetime"]),
        (
            "request for another role or name",
            ["a request that asks for another role and name gets what was decided"]
        ),
        (
            "renewal after 25 hours asleep",
            [
                "a worker that slept 25 hours past its certificate's end renews it and goes on",
                "a worker whose certificate has expired renews it, and works",
            ]
        ),
        (
            "rotation with two roots live",
            [
                "during the window both authorities' workers are served, and the old one's get the new one's certificates",
                "the window ends without a restart",
            ]
        ),
        (
            "handshakes and frames that never end",
            [
                "slow handshakes are bounded in number", "a handshake that never comes to its end",
                "a frame that trickles in does not hold a connection",
            ]
        ),
        (
            "oversized frames",
            ["a frame over the limit", "without a certificate nothing but one small request is heard"]
        ),
        ("decompression bombs", ["no more is unpacked than the limit, and the two lengths must agree"]),
        (
            "names that lead out of a folder",
            ["a checkpoint's name that leads elsewhere is refused", "a blob's address is a digest or nothing"]
        ),
    ]

    @Test func `every attack on the list has its tests`() throws {
        let tests = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
            .deletingLastPathComponent().path
        let paths = try #require(FileManager.default.subpaths(atPath: tests)).filter { $0.hasSuffix(".swift") }
        let sources = try paths.map { try String(contentsOfFile: "\(tests)/\($0)", encoding: .utf8) }
        for (attack, names) in Self.attacks {
            for name in names {
                #expect(sources.contains { $0.contains("func `\(name)`") }, "\(attack): \(name)")
            }
        }
    }
}
