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
        let text = try readGrid(self.grid)
        // What is wrong with the grid itself is told here, before anybody is asked.
        _ = try SweepDefinition(yaml: text, file: self.grid)
        let folder = self.state.folder
        let access = try await CoordinatorAccess(folder, version: Quintet.version)
        for line in try await access.ask(.submit(grid: text, file: self.grid), ofFolder: folder.path) { print(line) }
    }
}
