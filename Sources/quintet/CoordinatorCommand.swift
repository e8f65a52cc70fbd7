import ArgumentParser
import Coordination
import CoordinatorShell
import Fetching
import Foundation
import Logging
import Transport

/// `quintet coordinator`
struct CoordinatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator",
        abstract: "Serve all sweeps of a state folder to the workers that join, until it is stopped."
    )

    static let usualAddress = "127.0.0.1:7461"

    @Option(help: ArgumentHelp("Where workers and commands reach it.", valueName: "host:port"))
    var listen = Self.usualAddress

    @Option(help: "How many machines may join by the line that it prints.")
    var joins = 1

    @Option(
        name: .customLong("grid"),
        help: ArgumentHelp("A grid to take in at the start; may be given several times.", valueName: "grid.yaml")
    )
    var grids: [String] = []

    @Option(
        help: ArgumentHelp(
            "Take the certificate authority of this folder, where the state folder has none yet.",
            valueName: "dir"
        )
    )
    var authority: String?

    @OptionGroup var reach: ReachOptions
    @OptionGroup var disk: DiskOptions
    @OptionGroup var state: StateOptions

    func validate() throws {
        _ = try SessionOptions.address(self.listen)
        guard (1...100_000).contains(self.joins) else {
            throw ValidationError("--joins is \(self.joins); give 1 to 100000.")
        }
    }

    func run() async throws {
        let lock = try self.state.folder.lock()
        defer { withExtendedLifetime(lock) {} }
        if let authority { try CertificateAuthority.copy(from: authority, to: self.state.folder.authority) }
        let store = try Store(writing: self.state.folder.database)
        let display = ProgressDisplay(isInteractive: false)
        for grid in self.grids { try await self.takeIn(grid, store, display) }
        let sweeps = try store.sweeps().reversed().filter { $0.terms.standing != .cancelled }
        for sweep in sweeps { try SweepFolders().check(try store.folders(of: sweep.name)) }
        let service = try CoordinatorService(
            state: self.state.folder,
            store: store,
            authority: try CertificateAuthority(folder: self.state.folder.authority),
            sweeps: Array(sweeps),
            dismissesWorkers: false,
            diskBytes: self.disk.bytes,
            version: Quintet.version,
            logger: Logger(label: "quintet") { display.logHandler(label: $0) },
            plan: { try await SweepPlan(yaml: $0, file: $1) }
        )
        let address = try SessionOptions.address(self.listen)
        let port = try await service.start(host: address.host, port: address.port) { [reach] port in
            try reach.address(host: address.host, port: port)
        }
        try self.reach.letIn(service, by: nil, host: address.host, port: port)
        if let joinFile = self.reach.joinFile {
            display.write("workers join by \(joinFile)")
        } else {
            let line = try self.reach.joinLine(service, uses: self.joins, host: address.host, port: port)
            display.write("a machine joins with: quintet worker --join \(line)")
        }
        let signals = InterruptSignals { count in
            if count > 1 { Foundation.exit(130) }
            display.write("stopping after checkpoints; again to stop at once")
            service.drain()
        }
        defer { signals.cancel() }
        for await notice in service.notices {
            display.tell(notice)
            switch notice {
            case .sweepEnded(let sweep): display.write("sweep \(sweep) has ended: quintet collect \(sweep)")
            case .drained: return await service.shutdown()
            case .broken(let reason):
                await service.shutdown()
                throw SessionError("\(reason); what was finished is kept: start the coordinator again")
            default: break
            }
        }
    }

    /// Stores a grid's sweep; one that is there already keeps its standing, also where it is paused or cancelled. What
    /// cannot be fetched is told, and the other sweeps go on: a person may bring it.
    private func takeIn(_ path: String, _ store: Store, _ display: ProgressDisplay) async throws {
        let text = try readText(path, what: "grid")
        guard try !store.sweeps().contains(where: { $0.definition == text }) else { return }
        do {
            var plan = try await SweepPlan(yaml: text, file: path)
            _ = try plan.submit(to: store)
        } catch let error as FetchError {
            display.write("\(path) is not taken in: \(error); then quintet submit \(path)")
        }
    }
}
