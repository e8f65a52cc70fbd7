public import Digests
public import Sweeps

/// The program that runs on the hosts: this one.
public struct SSHProgram: Hashable, Sendable {
    public var path: String
    public var digest: Digest

    public init(path: String, digest: Digest) {
        self.path = path
        self.digest = digest
    }
}

/// The commands by which one host's worker comes to run. Nothing secret stands among their arguments, which every user
/// of either machine can read.
public struct SSHSession: Hashable, Sendable {
    public let host: HostsFile.Host
    /// Of `ssh`.
    let options: [String]
    let program: SSHProgram
    /// On this machine.
    let joinFile: String
    /// Tells several coordinators' workers on one host apart.
    let cluster: String
    let slots: Int
    let threads: Int?

    /// - Parameters:
    ///   - options: of `ssh`.
    ///   - joinFile: on this machine.
    ///   - cluster: a name for the coordinator's authority.
    ///   - threads: of each shard; without it the worker shares out its cores.
    public init(
        host: HostsFile.Host,
        options: [String],
        program: SSHProgram,
        joinFile: String,
        cluster: String,
        slots: Int,
        threads: Int?
    ) {
        self.host = host
        self.options = options
        self.program = program
        self.joinFile = joinFile
        self.cluster = cluster
        self.slots = slots
        self.threads = threads
    }

    /// What a connection is asked for: never a password, and to notice within a minute that the other side is gone.
    private static let usualOptions = [
        "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "-o",
        "ServerAliveCountMax=4", "-o", "LogLevel=ERROR",
    ]

    /// Leaves the join file on the host, and says `ready`, or `missing` where the program is not there as it should be.
    public var probe: [String] {
        self.ssh(
            """
            umask 077 && mkdir -p \(shellQuoted("programs")) \(shellQuoted(self.place)) \
            && cat > \(shellQuoted(self.remoteJoinFile)) || exit 1
            if [ "$(uname -sm)" != "\(Self.platform)" ]; then
                echo "it is a $(uname -sm) machine, and this program is for \(Self.platform)"
            elif echo "\(self.program.digest)  \(self.remoteProgram)" | sha256sum --check --status 2>/dev/null; then
                echo ready
            else
                echo missing
            fi
            """,
            input: self.joinFile
        )
    }

    /// Copies the program; other hosts may share the folder.
    public var copy: [String] {
        self.ssh(
            """
            new=\(shellQuoted(self.remoteProgram)).$$ && trap 'rm -f "$new"' EXIT
            cat > "$new" && echo "\(self.program.digest)  $new" | sha256sum --check --status \
            || { echo "the program did not arrive whole: is there room in \(self.host.folder)?" >&2; exit 1; }
            chmod 700 "$new" && mv "$new" \(shellQuoted(self.remoteProgram))
            """,
            input: self.program.path
        )
    }

    /// Runs the worker as long as the connection stands.
    public var work: [String] {
        var arguments = [
            "./\(self.remoteProgram)", "worker", "--lifeline", "--join-file", self.remoteJoinFile, "--folder",
            "\(self.place)/worker", "--cache", ".", "--slots", "\(self.slots)",
        ]
        if let threads { arguments += ["--threads", "\(threads)"] }
        if let memory = self.host.memoryBytes { arguments += ["--memory", "\(memory >> 20)"] }
        for label in self.host.labels { arguments += ["--label", label] }
        return self.usual + [self.remote("exec " + arguments.map(shellQuoted).joined(separator: " "))]
    }

    /// What lies in the host's folder, from there.
    private var remoteProgram: String { "programs/quintet-\(self.program.digest)" }
    private var remoteJoinFile: String { "\(self.place)/join" }
    /// Hosts may share the folder.
    private var place: String { "hosts/\(self.host.name.replacing("/", with: "_"))/\(self.cluster)" }

    private var usual: [String] {
        ["/usr/bin/env", "ssh"] + Self.usualOptions + self.options + ["--", self.host.name]
    }

    private func remote(_ script: String) -> String {
        // Whatever the user's own shell is.
        let folder = shellQuoted(self.host.folder)
        return "exec sh -c " + shellQuoted("mkdir -p \(folder) && cd \(folder) || exit 1\n\(script)")
    }

    /// A command whose standard input is a file.
    private func ssh(_ script: String, input: String) -> [String] {
        let command = (self.usual + [self.remote(script)]).map(shellQuoted).joined(separator: " ")
        return ["/bin/sh", "-c", "exec \(command) < \(shellQuoted(input))"]
    }

    #if arch(x86_64)
        private static let platform = "Linux x86_64"
    #else
        private static let platform = "Linux aarch64"
    #endif
}
