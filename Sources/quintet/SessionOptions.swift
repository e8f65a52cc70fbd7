import ArgumentParser
import Files
import Foundation
import Wire

/// Where a session's workers run.
enum WorkerPlace: Hashable, ExpressibleByArgument {
    /// As jobs of Slurm.
    case slurm
    /// On the machines of a file, through ssh.
    case hosts(String)

    init?(argument: String) {
        switch argument {
        case "slurm": self = .slurm
        case let path where path.hasSuffix(".yaml") || path.hasSuffix(".yml"): self = .hosts(path)
        default: return nil
        }
    }
}

/// How `launch` and `resume` run a sweep.
struct SessionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Run the workers elsewhere: slurm, or a YAML file of hosts that ssh reaches.",
            valueName: "slurm|hosts.yaml"
        )
    )
    var on: WorkerPlace?

    @Option(
        help: """
            Worker processes on this machine (default: 2), or jobs at once on Slurm (default: 8); 0 leaves the work to \
            machines that join.
            """
    )
    var workers: Int?

    @Option(help: "Shards that each worker trains at once.")
    var slots = 1

    @Option(help: "Threads of each shard; by default all cores are shared out.")
    var threads: Int?

    @Option(
        name: .customLong("label"),
        help: ArgumentHelp(
            "What the workers on this machine or Slurm have that sweeps may ask for; may be given several times.",
            valueName: "name"
        )
    )
    var labels: [String] = []

    @Option(
        help: ArgumentHelp(
            "Let other machines join at this address of this machine, and print the line they need.",
            valueName: "host:port"
        )
    )
    var listen: String?

    @Option(help: "How many machines may join by the line that --listen prints.")
    var joins = 1

    @Flag(help: "Machines that join wait until quintet approve lets them in.")
    var approveByHand = false

    @Flag(help: "Run in the background, or on Slurm as a job; quintet status --follow shows it.")
    var detach = false

    @Flag(help: ArgumentHelp("This is the job that --detach submitted to Slurm.", visibility: .hidden))
    var asJob = false

    @Option(help: ArgumentHelp("Between two looks at Slurm's queue.", valueName: "seconds", visibility: .hidden))
    var queueSeconds = 30.0

    @OptionGroup var reach: ReachOptions
    @OptionGroup var disk: DiskOptions

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("With --on slurm, options for sbatch.", valueName: "sbatch options")
    )
    var launcherOptions: [String] = []

    private static let localWorkers = 2
    private static let slurmWorkers = 8

    func validate() throws {
        if let workers, !(0...256).contains(workers) {
            throw ValidationError("--workers is \(workers); give 0 to 256.")
        }
        guard (1...256).contains(self.slots) else { throw ValidationError("--slots is \(self.slots); give 1 to 256.") }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); give 1 to 1024.")
        }
        guard (1...100_000).contains(self.joins) else {
            throw ValidationError("--joins is \(self.joins); give 1 to 100000.")
        }
        if self.workers == 0, !self.mayOthersJoin {
            throw ValidationError("--workers 0 without --listen leaves nobody to work; give one of them another value.")
        }
        if case .hosts = self.on, self.workers != nil {
            throw ValidationError("--workers is for this machine or Slurm; the file of hosts says what runs where.")
        }
        if case .hosts = self.on, let label = self.labels.first {
            throw ValidationError("--label \(label) is for this machine or Slurm; give hosts theirs in their file.")
        }
        guard self.labels.count <= Hello.labelsLimit else {
            throw ValidationError("--label is given \(self.labels.count) times; give at most \(Hello.labelsLimit).")
        }
        if self.on != .slurm, let first = self.launcherOptions.first {
            throw ValidationError("\(first) after -- is for sbatch; give --on slurm, or leave it out.")
        }
        _ = try self.address()
    }

    /// What a session that goes on needs to be told, so that its workers run where these do.
    var placeArgument: String {
        guard let on else { return "" }
        let place = if case .hosts(let path) = on { path } else { "slurm" }
        let count = self.workers.map { " --workers \($0)" } ?? ""
        let rest = self.launcherOptions.isEmpty ? "" : " -- " + self.launcherOptions.joined(separator: " ")
        return " --on \(place)\(count)\(rest)"
    }

    /// On this machine.
    var localWorkerCount: Int { self.on == nil ? self.workers ?? Self.localWorkers : 0 }

    /// Jobs at once.
    var slurmWorkerCount: Int { self.workers ?? Self.slurmWorkers }

    var threadsPerShard: Int {
        self.threads ?? max(1, MachineResources.current.cores / max(1, self.localWorkerCount * self.slots))
    }

    /// Whether machines may join that the session does not start workers on.
    var mayOthersJoin: Bool { self.printsJoinLine || self.reach.joinFile != nil }

    /// For workers that are started elsewhere, `--listen` is no more than the address.
    var printsJoinLine: Bool { self.listen != nil && self.on == nil }

    /// Whether nobody works but this machine.
    var isAlone: Bool { self.on == nil && !self.mayOthersJoin }

    /// Where to listen, on any port unless one is given: for this machine alone, or for those on which workers run.
    func address() throws -> (host: String, port: Int) {
        try self.listen.map { try Self.address($0) } ?? (self.isAlone ? "127.0.0.1" : "0.0.0.0", 0)
    }

    /// `HOST:PORT` taken apart.
    static func address(_ text: String, option: String = "--listen") throws -> (host: String, port: Int) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw ValidationError("\(option) is \(text); give HOST:PORT, such as 0.0.0.0:7461.") }
        let host = text[..<colon].trimmingPrefix("[")
        return (String(host.hasSuffix("]") ? host.dropLast() : host), port)
    }
}
