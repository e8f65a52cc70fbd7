import ArgumentParser
import Foundation

/// How `launch` and `resume` run a sweep on this machine.
struct SessionOptions: ParsableArguments {
    @Option(help: "Worker processes on this machine; 0 leaves the work to machines that join.")
    var workers = 2

    @Option(help: "Shards that each worker trains at once.")
    var slots = 1

    @Option(help: "Threads of each shard; by default all cores are shared out.")
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            "Let other machines join at this address of this machine, and print the line they need.",
            valueName: "host:port"
        )
    )
    var listen: String?

    /// How long a join line is good for.
    static let joinLineSeconds: Int64 = 24 * 3600

    @Option(help: "How many machines may join by the line that --listen prints.")
    var joins = 1

    @Flag(help: "Machines that join wait until quintet approve lets them in.")
    var approveByHand = false

    @OptionGroup var disk: DiskOptions

    func validate() throws {
        guard (0...256).contains(self.workers) else {
            throw ValidationError("--workers is \(self.workers); give 0 to 256.")
        }
        guard (1...256).contains(self.slots) else { throw ValidationError("--slots is \(self.slots); give 1 to 256.") }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); give 1 to 1024.")
        }
        guard (1...100_000).contains(self.joins) else {
            throw ValidationError("--joins is \(self.joins); give 1 to 100000.")
        }
        if self.workers == 0, self.listen == nil {
            throw ValidationError("--workers 0 without --listen leaves nobody to work; give one of them another value.")
        }
        _ = try self.address()
    }

    var threadsPerShard: Int {
        self.threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount / max(1, self.workers * self.slots))
    }

    /// Where to listen: by default on this machine alone, on any port.
    func address() throws -> (host: String, port: Int) {
        try self.listen.map(Self.address) ?? ("127.0.0.1", 0)
    }

    /// `HOST:PORT` taken apart.
    static func address(_ listen: String) throws -> (host: String, port: Int) {
        guard let colon = listen.lastIndex(of: ":"), let port = Int(listen[listen.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw ValidationError("--listen is \(listen); give HOST:PORT, such as 0.0.0.0:7461.") }
        let host = listen[..<colon].trimmingPrefix("[")
        return (String(host.hasSuffix("]") ? host.dropLast() : host), port)
    }
}
