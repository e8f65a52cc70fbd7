import ArgumentParser
import CProcessor
import Foundation

/// Checks the processor before any vector code runs, then hands over to the subcommand; every error is one line.
@main
enum Main {
    static func main() async {
        let missing = String(cString: processor_missing_features())
        guard missing.isEmpty else {
            fail("this processor lacks \(missing); Quintet's kernels need x86-64-v3 (2013 and later)", code: EX_CONFIG)
        }
        // A reader that goes away is an error of the write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        // The kernel keeps from a container's first process what it has no handler for: it could not be asked to end
        // before it has handlers of its own.
        if getpid() == 1 { for number in [SIGINT, SIGTERM] { signal(number) { _exit(128 + $0) } } }
        do {
            var command = try Quintet.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error where Self.isParserError(error) {
            Quintet.exit(withError: error)
        } catch {
            fail("\(error)", code: 1)
        }
    }

    /// What the argument parser throws knows its own message and exit code, help and version included.
    private static func isParserError(_ error: any Error) -> Bool {
        error is ExitCode || error is CleanExit || error is ValidationError
            || String(reflecting: type(of: error)).hasPrefix("ArgumentParser.")
    }

    /// Says what went wrong in one line and ends the process.
    private static func fail(_ message: String, code: Int32) -> Never {
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        FileHandle.standardError.write(Data("quintet: \(line)\n".utf8))
        exit(code)
    }
}

/// `quintet`
struct Quintet: AsyncParsableCommand {
    /// The program's version, part of every result.
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "quintet",
        abstract: "Runs grids of fine-tuning experiments on many machines and averages them over seeds.",
        version: Self.version,
        subcommands: [
            Launch.self, Resume.self, Collect.self, Show.self, Predict.self, Export.self, Status.self, Why.self,
            CoordinatorCommand.self, Submit.self, Pause.self, Unpause.self, Cancel.self, Weigh.self, WorkerCommand.self,
            Workers.self, Invite.self, Approve.self, Ban.self, Rotate.self, FetchCommand.self, Verify.self,
            GarbageCollection.self, Plan.self, Inspect.self, Doctor.self, Health.self, Train.self, Encode.self,
            Simulate.self,
        ]
    )
}
