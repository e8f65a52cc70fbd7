import Foundation
import Testing
import TransportTestSupport

/// Goal: a scanner of other people's finds TLS 1.3 and nothing else at a coordinator's port, and none of the known
/// holes.
///
/// It names no application protocol, so that by itself it sees a port that offers nothing; the second scan's OpenSSL
/// names ours.
@Suite(.timeLimit(.minutes(3)), .enabled(if: Tool.testssl != nil, "needs testssl.sh"))
struct TestSSLTests {
    private struct Finding: Decodable {
        var id: String
        var severity: String
        var finding: String

        var isFault: Bool { ["LOW", "MEDIUM", "HIGH", "CRITICAL"].contains(self.severity) }
    }

    private static let older = ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2"]

    @Test func `testssl finds no hole and nothing that it may speak`() async throws {
        let coordinator = try await TestCoordinator()
        let findings = try await Self.scan(coordinator, ["--protocols", "--vulnerable"])
        await coordinator.stop()
        for version in Self.older + ["TLS1_3"] { #expect(findings[version]?.finding == "not offered", "\(version)") }
        let holes = [
            "heartbleed", "CCS", "ROBOT", "secure_client_renego", "POODLE_SSL", "SWEET32", "FREAK", "DROWN", "LOGJAM",
            "BEAST", "LUCKY13", "RC4",
        ]
        for hole in holes { #expect(findings[hole]?.severity == "OK", "\(hole): \(findings[hole]?.finding ?? "-")") }
        // All that it finds fault with is that nothing is offered.
        let faults = findings.values.filter(\.isFault).map(\.id).sorted()
        #expect(faults == ["TLS1_2", "TLS1_3"])
    }

    @Test func `testssl with our protocol's name finds TLS 1.3 alone, and is asked for a certificate`() async throws {
        let coordinator = try await TestCoordinator()
        let openssl = try coordinator.folder.file(
            "openssl",
            "#!/bin/sh\n[ \"$1\" = s_client ] && shift && set -- s_client -alpn quintet/1 \"$@\"\nexec openssl \"$@\"\n"
        )
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: openssl)
        let findings = try await Self.scan(coordinator, ["--openssl", openssl, "--ssl-native", "--protocols", "-f"])
        await coordinator.stop()
        for version in Self.older.dropFirst(2) { #expect(findings[version]?.finding == "not offered", "\(version)") }
        #expect(findings["TLS1_3"]?.finding == "offered")
        // Its name for forward secrecy has changed.
        #expect((findings["PFS"] ?? findings["FS"])?.severity == "OK")
        let faults = findings.values.filter(\.isFault).map(\.id).sorted()
        #expect(faults == [])
        _ = await coordinator.log.line(containing: "it sent no client certificate")
    }

    private static func scan(_ coordinator: TestCoordinator, _ checks: [String]) async throws -> [String: Finding] {
        let testssl = try #require(Tool.testssl)
        let file = "\(coordinator.folder.path)/findings.json"
        let output = try await testssl.run(
            ["--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--jsonfile", file] + checks
                + ["localhost:\(coordinator.port)"],
            folder: coordinator.folder
        )
        let findings = try? JSONDecoder().decode([Finding].self, from: Data(contentsOf: URL(filePath: file)))
        return Dictionary(try #require(findings, "\(output)").map { ($0.id, $0) }) { first, _ in first }
    }
}
