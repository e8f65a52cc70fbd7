import ArgumentParser
import CoordinatorShell
import Sweeps
import Wire

/// `quintet submit`
struct Submit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a grid to the coordinator that runs on the state folder, beside the sweeps that it has."
    )

    @Argument(help: ArgumentHelp("The grid, a YAML file.", valueName: "grid.yaml"))
    var grid: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        let text = try readText(self.grid, what: "grid")
        // What is wrong with the grid itself is told here, before anybody is asked.
        _ = try SweepDefinition(yaml: text, file: self.grid)
        let coordinator = try await self.state.coordinator()
        let request = OperatorRequest.submit(grid: text, file: self.grid)
        for line in try await coordinator.ask(request, ofFolder: self.state.folder.path) { print(line) }
    }
}
