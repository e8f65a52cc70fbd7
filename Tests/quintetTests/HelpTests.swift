import ArgumentParser
import Reports
import Testing

@testable import quintet

/// What `--help` says, whole.
@Suite struct HelpTests {
    @Test func `quintet collect`() {
        let expected = """
            OVERVIEW: Print a sweep's table: one row a method, one column a task, averaged
            over seeds.

            USAGE: quintet collect [--state <dir>] [<sweep>] [--format <format>] [--partial] [--against <table>]

            ARGUMENTS:
              <sweep>                 The sweep; without it, the one launched last.

            OPTIONS:
              --state <dir>           The coordinator's folder; default: QUINTET_STATE, or
                                      quintet in the user's state folder.
              --format <format>       How the table is written. (values: terminal,
                                      markdown, csv, json; default: terminal)
              --partial               Average what is there in cells that lack seeds, and
                                      say of how many.
              --against <table>       Put a paper's table beside it: its figures, the
                                      differences, and what is not alike. (values: sora,
                                      adalora, alora)
              --version               Show the version.
              -h, --help              Show help information.

            """
        #expect(Quintet.helpMessage(for: Collect.self, columns: 80) == expected)
    }

    @Test func `quintet fetch`() {
        let expected = """
            OVERVIEW: Bring backbones and data into the cache, verified.

            USAGE: quintet fetch [<names> ...] [--list]

            ARGUMENTS:
              <names>                 What to bring: names that --list shows.

            OPTIONS:
              --list                  List what can be fetched, and what is in the cache.
              --version               Show the version.
              -h, --help              Show help information.

            """
        #expect(Quintet.helpMessage(for: FetchCommand.self, columns: 80) == expected)
    }

    @Test func `what does not go together is refused before anything happens`() {
        for arguments in [
            ["fetch"], ["fetch", "--list", "offline"], ["collect", "--format", "xml"], ["collect", "--state", ""],
            ["show", "rte/sora/0", "--format", "json", "--ranks"], ["show", "a/b/0", "--format", "json", "--svg", "f"],
        ] {
            #expect(throws: (any Error).self, "\(arguments)") { try Quintet.parseAsRoot(arguments) }
        }
        #expect(throws: Never.self) { try Quintet.parseAsRoot(["collect", "--partial", "--format", "csv", "a-sweep"]) }
        #expect(throws: Never.self) { try Quintet.parseAsRoot(["show", "rte/sora/0", "--ranks", "--svg", "f"]) }
    }

    @Test func `a table that is none is told with those that are`() throws {
        let error = #expect(throws: (any Error).self) { try Quintet.parseAsRoot(["collect", "--against", "lora"]) }
        let message = Quintet.message(for: try #require(error))
        #expect(message.hasPrefix("The value 'lora' is invalid for '--against <table>'. Please provide one of "))
        #expect(PublishedTable.all.allSatisfy { message.contains("'\($0.name)'") })
    }
}
