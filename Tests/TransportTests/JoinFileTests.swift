import Digests
import Foundation
import TestSupport
import Testing
import Transport

@Suite struct JoinFileTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "quintet-\(UUID().uuidString)").path

    private func line(_ host: String) -> JoinLine {
        JoinLine(host: host, port: 7461, token: JoinToken(), authorityKeyDigest: SHA256.hash("authority"))
    }

    /// Goal: a worker sees the newest line, and only its owner may read the file.
    @Test func `what is written is read, and others may not read it`() throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        let file = JoinFile("\(self.folder)/join")
        #expect(try file.read() == nil)
        #expect(throws: JoinFileError.self) { try JoinSource.file(file).line() }
        for line in [self.line("a"), self.line("b")] {
            try file.write(line)
            #expect(try JoinSource.file(file).line() == line)
        }
        let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)

        #expect(chmod(file.path, 0o604) == 0)
        let error = #expect(throws: JoinFileError.self) { try file.read() }
        #expect(error?.description.hasSuffix("chmod 600 \(file.path)") == true)
        // A group may: that is how a cluster manager gives a secret to a user that does not own it.
        #expect(chmod(file.path, 0o640) == 0)
        #expect(try file.read() != nil)
    }

    /// Goal: a secret that a cluster manager mounts is a link to what changes at once; damage is told without the token.
    @Test func `a link is followed, and what is no line is told`() throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        let (file, link) = (JoinFile("\(self.folder)/data"), JoinFile("\(self.folder)/join"))
        let line = self.line("a")
        try file.write(line)
        try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: "data")
        #expect(try link.read() == line)
        try Data("\(line)".dropLast(9).utf8).write(to: URL(filePath: file.path))
        #expect(chmod(file.path, 0o600) == 0)
        let error = #expect(throws: JoinFileError.self) { try link.read() }
        #expect(error?.description.contains("64 hexadecimal digits") == true)
        #expect(error?.description.contains(line.token.description) == false)
        try Data(repeating: 0x61, count: 2000).write(to: URL(filePath: file.path))
        #expect(throws: (any Error).self) { try link.read() }
    }
}
