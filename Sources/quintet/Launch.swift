import ArgumentParser
import CoordinatorShell
import Foundation
import Sweeps
import Transport
import Wire

/// `quintet launch`
struct Launch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a grid of experiments on this machine, and on all that join; print the table at the end."
    )

    @Argument(help: ArgumentHelp("The grid, a YAML file.", valueName: "grid.yaml"))
    var grid: String

    @OptionGroup var state: StateOptions
    @OptionGroup var session: SessionOptions

    func run() async throws {
        let yaml = try Self.read(self.grid)
        let definition = try SweepDefinition(yaml: yaml, file: self.grid)
        let lock = try self.state.folder.lock()
        let store = try Store(writing: self.state.folder.database)
        let folders = SweepFolders()
        let backbone = try await folders.backbone(definition.backbone)
        var data: [String: StoredFolder] = [:]
        for task in definition.tasks { data[try TaskDescription.named(task).name] = try await folders.data(task) }
        let shards = try definition.shards().map { planned in
            guard let folder = data[planned.cell.task] else { preconditionFailure("no data for \(planned.name)") }
            return try Shard(
                backbone: backbone.manifest.digest,
                data: folder.manifest.digest,
                task: planned.cell.task,
                method: planned.cell.method,
                settings: planned.settings,
                seed: planned.seed
            )
        }
        let sweep = StoredSweep(name: definition.name, definition: yaml, launchedSeconds: currentSeconds())
        let submission = try store.submit(sweep, shards: shards, folders: [backbone] + data.values)
        try await SweepSession(
            state: self.state.folder,
            lock: lock,
            store: store,
            sweep: sweep,
            options: self.session,
            note: submission == .replaced
                ? "sweep \(sweep.name) has another grid now; shards that it shares with the old one are kept" : nil
        ).run()
    }

    /// - Throws: ``GridFileError`` where the file cannot be read.
    private static func read(_ path: String) throws -> String {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw GridFileError("cannot read the grid \(path): \(String(cString: strerror(errno)))")
        }
        guard let data = try file.read(upToCount: SweepDefinition.fileLimitBytes + 1),
            let text = String(data: data, encoding: .utf8)
        else { throw GridFileError("the grid \(path) is empty or not UTF-8") }
        return text
    }
}

/// A grid file that cannot be read.
struct GridFileError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
