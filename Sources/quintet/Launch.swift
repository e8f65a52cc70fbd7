import ArgumentParser
import CoordinatorShell
import Sweeps

/// `quintet launch`
struct Launch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a grid of experiments on this machine, and on all that join; print the table at the end."
    )

    @Argument(help: ArgumentHelp("The grid, a YAML file.", valueName: "grid.yaml"))
    var grid: String

    @OptionGroup var state: StateOptions
    @OptionGroup var session: SessionOptions

    func run() async throws {
        let yaml = try readText(self.grid, what: "grid")
        let name = try SweepDefinition(yaml: yaml, file: self.grid).name
        if self.session.detach { return try await self.session.detach(name, state: self.state.folder) }
        let lock = try self.state.folder.lock()
        let store = try Store(writing: self.state.folder.database)
        var plan = try await SweepPlan(yaml: yaml, file: self.grid)
        let submission = try plan.submit(to: store)
        try await SweepSession(
            state: self.state.folder,
            lock: lock,
            store: store,
            sweep: plan.sweep,
            options: self.session,
            note: submission == .replaced
                ? "sweep \(plan.sweep.name) has another grid now; shards that it shares with the old one are kept" : nil
        ).run()
    }
}
