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
        for name in self.names { _ = try Catalogue.quintet.entry(name) }
        let display = FetchDisplay()
        let fetcher = Fetcher(catalogue: .quintet)
        for name in self.names {
            let folder = try await fetcher.fetch(name) { display.show($0) }
            Terminal.standardOutput.write("\(folder.path)\n")
        }
    }
}

extension Catalogue {
    /// One line an entry: name, kind, where it is in the cache if it is.
    func listed(in cache: Cache) -> String {
        let width = self.entries.map(\.name.count).max() ?? 0
        return self.entries.map { entry in
            let name = entry.name + String(repeating: " ", count: width - entry.name.count)
            let kind = entry.kind == .backbone ? "backbone" : "data    "
            let place = cache.cachedFolder(for: entry.name, kind: entry.kind)?.path ?? "not in the cache"
            return "\(name)  \(kind)  \(place)\n"
        }.joined()
    }
}
