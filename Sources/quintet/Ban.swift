import ArgumentParser
import CoordinatorShell

/// `quintet ban`
struct Ban: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shut a worker out: its connections end at once, and nothing that it sends is taken."
    )

    @Argument(help: "The worker's name, as quintet workers shows it.")
    var worker: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        try await self.state.coordinator().ban(self.worker)
        print("\(self.worker) is banned, and the join line by which it came lets nobody else in")
    }
}
