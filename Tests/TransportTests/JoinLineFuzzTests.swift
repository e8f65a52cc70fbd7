import Digests
import TestSupport
import Testing
import Transport

@Suite struct JoinLineFuzzTests {
    private struct Problem: Error { let description: String }

    /// Goal: a damaged line is refused without its token being told, or is one that can be written and read again.
    @Test(.timeLimit(.minutes(60))) func `damaged join lines`() async throws {
        let token = try #require(JoinToken("0123456789abcdef0123456789abcdef"))
        let lines = ["10.0.0.7", "node-1.example.org", "2001:db8::1"].map { host in
            JoinLine(host: host, port: 7461, token: token, authorityKeyDigest: SHA256.hash("authority"))
        }
        let report = try await Fuzzing("join lines").run(lines.map { Array($0.description.utf8) }) { input, _ in
            do {
                let line = try JoinLine(parsing: String(decoding: input, as: UTF8.self))
                guard try JoinLine(parsing: line.description) == line else { throw Problem(description: "changed") }
                return .accepted
            } catch let error as JoinLineError {
                guard !error.description.contains(token.description), error.description.utf8.count < 1000 else {
                    throw Problem(description: "the refusal tells too much: \(error)")
                }
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
