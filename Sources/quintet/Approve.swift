import ArgumentParser
import CoordinatorShell

/// `quintet approve`
struct Approve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let a worker in that waits for approval, or one that was banned back in."
    )

    @Argument(help: "The worker's name, as quintet workers shows it.")
    var worker: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        try await self.state.coordinator().approve(self.worker)
        print("\(self.worker) may work")
    }
}
