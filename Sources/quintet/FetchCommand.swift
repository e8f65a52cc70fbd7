import ArgumentParser
import Fetching
import Foundation

/// `quintet fetch`
struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Bring backbones and data into the cache, verified."
    )

    @Argument(help: "What to bring: names that --list shows.")
    var names: [String] = []

    @Flag(help: "List what can be fetched, and what is in the cache.")
    var list = false

    func validate() throws {
        guard self.list == self.names.isEmpty else {
            throw ValidationError("Give names, or --list to see which there are.")
        }
    }

    func run() async throws {
        guard !self.list else { return Terminal.standardOutput.write(Catalogue.quintet.listed(in: Cache())) }
        // A name that is wrong is told before anything is fetched.
        let names = try self.names.flatMap { try Catalogue.quintet.names($0) }
        let display = FetchDisplay()
        let fetcher = Fetcher(catalogue: .quintet)
        var failed: [String] = []
        for name in names {
            do {
                let folder = try await fetcher.fetch(name) { display.show($0) }
                Terminal.standardOutput.write("\(folder.path)\n")
            } catch let error as FetchError {
                guard names.count > 1 else { throw error }
                Terminal.standardError.write("\(error)\n")
                failed.append(name)
            }
        }
        guard failed.isEmpty else { throw NotFetched(names: failed, total: names.count) }
    }
}

/// What is missing of several things; why has been said.
private struct NotFetched: Error, CustomStringConvertible {
    let names: [String]
    let total: Int

    var description: String {
        "\(self.names.count) of \(self.total) could not be fetched (see above): \(self.names.joined(separator: ", "))"
    }
}

extension Catalogue {
    /// One line an entry: name, kind, where it is in the cache if it is. One line a group: name, members.
    func listed(in cache: Cache) -> String {
        let width = self.entries.map(\.name.count).max() ?? 0
        return self.entries.map { entry in
            let name = entry.name + String(repeating: " ", count: width - entry.name.count)
            let kind = entry.kind == .backbone ? "backbone" : "data    "
            let place = entry.place(in: cache).path
            let state = FileManager.default.fileExists(atPath: place) ? place : "not in the cache"
            return "\(name)  \(kind)  \(state)\n"
        }.joined()
            + self.groups.map { group in
                let name = group.name + String(repeating: " ", count: max(0, width - group.name.count))
                return "\(name)  group     \(group.entries.joined(separator: ", "))\n"
            }.joined()
    }
}
