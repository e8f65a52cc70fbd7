import Foundation

/// Daemons of `ssh` on addresses of the loopback, as machines that a test can reach, with keys of their own. Needs root.
final class SSHDaemon: Sendable {
    static let program = "/usr/sbin/sshd"
    static var isPossible: Bool {
        geteuid() == 0 && FileManager.default.isExecutableFile(atPath: Self.program)
            && FileManager.default.isExecutableFile(atPath: "/usr/bin/ssh-keygen")
    }

    private let folder: String
    let port: Int

    init(folder: String) async throws {
        self.folder = folder
        self.port = Int.random(in: 20_000..<30_000)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // Where the daemon locks itself in.
        try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
        for key in ["machine", "user"] {
            let made = try Running(
                ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(folder)/\(key)"],
                environment: [:]
            )
            guard await made.wait() == 0 else { throw SSHError(description: made.output) }
        }
    }

    /// Starts a daemon, which serves until ``stop()``.
    func start(addresses: [String]) async throws {
        let name = "\(self.folder)/\(addresses[0])"
        let listening = addresses.map { "ListenAddress \($0)" }.joined(separator: "\n")
        try """
        Port \(self.port)
        \(listening)
        HostKey \(self.folder)/machine
        AuthorizedKeysFile \(self.folder)/user.pub
        PidFile \(name).pid
        StrictModes no
        UsePAM no
        PermitRootLogin prohibit-password
        """.write(toFile: "\(name).conf", atomically: true, encoding: .utf8)
        // It goes into the background: a child that closes all files, as it does, hangs the runtime that waits for it.
        let started = try Running([Self.program, "-f", "\(name).conf", "-E", "\(name).log"], environment: [:])
        guard await started.wait() == 0 else { throw SSHError(description: started.output) }
    }

    /// Ends all daemons.
    func stop() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: self.folder)) ?? []
        where name.hasSuffix(".pid") {
            let text = try? String(contentsOfFile: "\(self.folder)/\(name)", encoding: .utf8)
            if let id = text.flatMap({ Int32($0.filter(\.isNumber)) }) { kill(id, SIGTERM) }
        }
    }

    /// What `ssh` needs to be told.
    var options: [String] {
        [
            "-F", "none", "-p", "\(self.port)", "-i", "\(self.folder)/user", "-o",
            "UserKnownHostsFile=\(self.folder)/known", "-o", "StrictHostKeyChecking=accept-new",
        ]
    }
}

private struct SSHError: Error, CustomStringConvertible {
    let description: String
}
