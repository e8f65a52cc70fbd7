import ArgumentParser
import CoordinatorShell
import Transport
import Wire
import WorkerShell

/// `quintet health`
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether a coordinator answers or a worker's loop turns: exit code 0 or 1, for who watches them."
    )

    @Option(
        help: ArgumentHelp("The worker that runs in this folder, in place of the coordinator.", valueName: "folder")
    )
    var worker: String?

    @Flag(help: "The worker must be connected, too.")
    var ready = false

    @OptionGroup var state: StateOptions

    /// How long the coordinator may take for each of its answers.
    private static let answerSeconds = 5.0

    func validate() throws {
        if self.worker?.isEmpty == true { throw ValidationError("--worker is empty; give the worker's --folder.") }
    }

    func run() async throws {
        if let worker {
            try WorkerHealth(WorkerFolder(worker)).require(ready: self.ready, atSeconds: currentSeconds())
        } else {
            let client = try await CoordinatorAccess.dial(
                self.state.folder,
                version: Quintet.version,
                withinSeconds: Self.answerSeconds
            )
            // Other than the welcome, this comes from the loop that decides everything.
            _ = try await client.lines(.obstacles)
        }
        print("ok")
    }
}
