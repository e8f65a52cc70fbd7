import Digests
import Foundation
import Sweeps
import Testing

@testable import Launchers

@Suite struct SSHSessionTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "quintet-\(UUID().uuidString)").path

    private func session(_ yaml: String, joinFile: String = "/state/join", program: String = "/bin/true") throws
        -> SSHSession
    {
        let file = try HostsFile(yaml: yaml, file: "hosts.yaml")
        return SSHSession(
            host: file.hosts[0],
            options: file.options,
            program: SSHProgram(path: program, digest: try SHA256.hash(file: program)),
            joinFile: joinFile,
            cluster: "c1",
            slots: file.hosts[0].slots ?? 1,
            threads: file.hosts[0].threads
        )
    }

    /// Goal: what a host's worker may use is what the file says, and nothing secret is an argument.
    @Test func `a worker is started with what the file says of its host`() throws {
        let session = try self.session(
            "hosts: [{host: me@node, slots: 2, threads: 3, memory: 5 GiB, labels: [a b, c], folder: /x}]\noptions: [-p, 9]"
        )
        let work = session.work
        #expect(Array(work.prefix(2)) == ["/usr/bin/env", "ssh"])
        let place = try #require(work.firstIndex(of: "--"))
        #expect(work[place - 2...place + 1] == ["-p", "9", "--", "me@node"])
        let script = try #require(work.last)
        for part in ["--slots", "--threads", "--memory", "5120", "--label", "a b", "--lifeline", "--join-file"] {
            #expect(script.contains(part))
        }
    }

    /// Goal: the program is copied where it is missing or damaged, whatever the folder is called, and never half.
    /// Method: the commands with a program in the place of `ssh` that runs what it is given.
    @Test func `the program comes whole, or not at all`() throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        let remote = "\(self.folder)/it's \"far\" $HOME"
        try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
        let (join, program) = ("\(self.folder)/join", "\(self.folder)/program")
        try "a line\n".write(toFile: join, atomically: true, encoding: .utf8)
        try "the program".write(toFile: program, atomically: true, encoding: .utf8)
        let yaml = "hosts: [{host: node, folder: '\(remote.replacing("'", with: "''"))'}]"
        let session = try self.session(yaml, joinFile: join, program: program)
        #expect(try self.run(session.probe) == "missing\n")
        #expect(try String(contentsOfFile: "\(remote)/hosts/node/c1/join", encoding: .utf8) == "a line\n")
        #expect(try self.run(session.copy) == "")
        #expect(try self.run(session.probe) == "ready\n")
        let programs = try FileManager.default.contentsOfDirectory(atPath: "\(remote)/programs")
        let copy = "\(remote)/programs/\(try #require(programs.first))"
        #expect(programs.count == 1)
        try "something else".write(toFile: copy, atomically: true, encoding: .utf8)
        #expect(try self.run(session.probe) == "missing\n")
        #expect(try self.run(session.copy) == "")
        #expect(try String(contentsOfFile: copy, encoding: .utf8) == "the program")
        // What is sent is not what was promised.
        try "another program".write(toFile: program, atomically: true, encoding: .utf8)
        #expect(try self.run(session.copy).contains("did not arrive whole"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(remote)/programs") == programs)
    }

    /// Runs a command whose `ssh` is the shell that it would start on the host.
    private func run(_ command: [String]) throws -> String {
        let path = "\(self.folder)/bin"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let script = "#!/bin/sh\nfor word; do :; done\nexec sh -c \"$word\"\n"
        try script.write(toFile: "\(path)/ssh", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(path)/ssh")
        let process = Process()
        process.executableURL = URL(filePath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ["PATH": "\(path):/usr/bin:/bin", "HOME": self.folder]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
