import ArgumentParser
import CoordinatorShell
import Foundation

/// Where everything of the coordinator lives, the same for every command.
struct StateOptions: ParsableArguments {
    @Option(
        name: .customLong("state"),
        help: ArgumentHelp(
            "The coordinator's folder; default: QUINTET_STATE, or quintet in the user's state folder.",
            valueName: "dir"
        )
    )
    var path: String?

    var folder: StateFolder { .chosen(self.path, environment: ProcessInfo.processInfo.environment) }

    func validate() throws {
        if self.path?.isEmpty == true { throw ValidationError("--state is empty; give a folder.") }
    }
}
