import Digests
import Testing
import Transport

@Suite struct JoinLineTests {
    private let token = "0123456789abcdef0123456789abcdef"
    private let hash = String(repeating: "5a", count: 32)

    @Test(arguments: ["10.0.0.7", "node-1.example.org", "2001:db8::1", "::1"])
    func `a line is read as it was printed`(host: String) throws {
        let line = JoinLine(
            host: host,
            port: 7461,
            token: JoinToken(),
            authorityKeyDigest: SHA256.hash("authority")
        )
        #expect(try JoinLine(parsing: line.description) == line)
        #expect(try JoinLine(parsing: "  \(line)\n") == line)
        #expect(JoinLine(line.description) == line)
    }

    @Test func `the form is fixed`() throws {
        let line = try JoinLine(parsing: "quintet-join:1:[2001:db8::1]:7461:\(self.token):\(self.hash)")
        #expect(line.host == "2001:db8::1" && line.port == 7461)
        #expect(line.token.description == self.token)
        #expect(line.authorityKeyDigest.bytes == [UInt8](repeating: 0x5a, count: 32))
        #expect(line.description == "quintet-join:1:[2001:db8::1]:7461:\(self.token):\(self.hash)")
    }

    @Test func `what is wrong is said, and the token is not`() {
        let cases = [
            ("", "begin with quintet-join:"),
            ("quintet-join", "begin with quintet-join:"),
            ("quintet-join:2:h:1:\(self.token):\(self.hash)", "its version is \"2\""),
            ("quintet-join:1", "its version"),
            ("quintet-join:1:host", "inside its address"),
            ("quintet-join:1:[::1:7461:\(self.token):\(self.hash)", "inside its address"),
            ("quintet-join:1:[::1]7461:\(self.token):\(self.hash)", "inside its address"),
            ("quintet-join:1::7461:\(self.token):\(self.hash)", "no host name"),
            ("quintet-join:1:h h:7461:\(self.token):\(self.hash)", "no host name"),
            ("quintet-join:1:host,7461,\(self.token):\(self.hash)", "six parts"),
            ("quintet-join:1:host 7461 \(self.token):\(self.hash)", "no host name"),
            ("quintet-join:1:host:\(self.token):7461:\(self.hash)", "its port is no"),
            ("quintet-join:1:host:0:\(self.token):\(self.hash)", "its port is no"),
            ("quintet-join:1:host:65536:\(self.token):\(self.hash)", "its port is no"),
            ("quintet-join:1:host:7461:\(self.token)", "six parts"),
            ("quintet-join:1:host:7461:\(self.token)0:\(self.hash)", "its token is not"),
            ("quintet-join:1:host:7461:\(self.token):\(self.hash.dropLast())", "its last part"),
            ("quintet-join:1:host:7461:\(self.token):\(self.hash):", "six parts"),
            ("quintet-join:1:\(String(repeating: "h", count: 600)):1:\(self.token):\(self.hash)", "begin with"),
        ]
        for (text, expected) in cases {
            let error = #expect(throws: JoinLineError.self, "\(text)") { try JoinLine(parsing: text) }
            #expect(error?.description.contains(expected) == true, "\(text): \(error?.description ?? "")")
            #expect(error?.description.contains(self.token) == false)
        }
    }

    @Test func `tokens differ, and only their digest need be kept`() throws {
        let tokens = Set((0..<100).map { _ in JoinToken().description })
        #expect(tokens.count == 100 && tokens.allSatisfy { $0.count == 32 })
        let token = try #require(JoinToken(self.token))
        #expect(token.digest == SHA256.hash(self.token))
        #expect(JoinToken(self.token.uppercased()) == nil)
    }
}
