import ArgumentParser
import CoordinatorShell
import Transport

/// How other machines reach a coordinator, and get in.
struct ReachOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What other machines reach it by, where that is not an address of this one.",
            valueName: "host[:port]"
        )
    )
    var advertise: String?

    @Option(
        help: ArgumentHelp(
            "Keep this file up to date, by which workers join (--join-file): whoever may read it can.",
            valueName: "file"
        )
    )
    var joinFile: String?

    /// How long a join line is good for.
    private static let joinLineSeconds: Int64 = 24 * 3600
    /// A join file's token is good as long as its coordinator runs, for all that may read it.
    private static let joinFileSeconds: Int64 = 3652 * 86_400
    private static let joinFileUses = 1_000_000

    func validate() throws {
        if let advertise { _ = try Self.split(advertise, port: 1) }
    }

    /// The host and port that machines join by.
    ///
    /// - Parameters:
    ///   - host: what the coordinator listens on.
    ///   - port: the port that it has opened.
    func address(host: String, port: Int) throws -> (host: String, port: Int) {
        try self.advertise.map { try Self.split($0, port: port) } ?? (MachineAddress.reachable(host), port)
    }

    /// A line by which so many machines may join.
    func joinLine(_ service: CoordinatorService, uses: Int, host: String, port: Int) throws -> JoinLine {
        let address = try self.address(host: host, port: port)
        return try service.joinLine(
            host: address.host,
            port: address.port,
            uses: uses,
            validSeconds: Self.joinLineSeconds
        )
    }

    /// Lets machines join by the file, where one is given.
    func letIn(_ service: CoordinatorService, by file: JoinFile?, host: String, port: Int) throws {
        guard let file = self.joinFile.map(JoinFile.init) ?? file else { return }
        let address = try self.address(host: host, port: port)
        try service.letIn(
            by: file,
            host: address.host,
            port: address.port,
            uses: Self.joinFileUses,
            validSeconds: Self.joinFileSeconds
        )
    }

    /// `HOST` or `HOST:PORT` taken apart; an IPv6 address stands in brackets.
    private static func split(_ text: String, port: Int) throws -> (host: String, port: Int) {
        let hasPort = text.hasPrefix("[") ? !text.hasSuffix("]") : text.contains(":")
        let (host, port) = try SessionOptions.address(hasPort ? text : "\(text):\(port)", option: "--advertise")
        guard !host.isEmpty, port > 0 else {
            throw ValidationError("--advertise is \(text); give HOST or HOST:PORT, such as node7:7461.")
        }
        return (host, port)
    }
}
