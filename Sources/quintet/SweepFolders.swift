import CoordinatorShell
import Encoders
import Fetching
import Foundation
import Sweeps
import Tasks
import Wire
import WorkerShell

/// Finds or fetches what a grid names, and knows it by digest afterwards.
struct SweepFolders {
    let cache: Cache

    init(cache: Cache = Cache()) {
        self.cache = cache
    }

    /// The cache as workers on this machine see it.
    var shared: FolderCache { FolderCache(self.cache.folder.path) }

    /// The backbone's folder: a path where the name has a `/`, else from the cache or fetched.
    ///
    /// - Throws: an error that says what is missing or damaged: better before the start than once a shard.
    func backbone(_ name: String) async throws -> StoredFolder {
        let folder = try await self.folder(name, kind: .backbone)
        let configuration = try EncoderConfiguration(folder: folder)
        _ = try BackboneWeights(folder: folder).check(against: configuration.declarations { _ in false })
        return try self.register(folder)
    }

    /// The task's own folder, its files read once.
    func data(_ task: String) async throws -> StoredFolder {
        let description = try TaskDescription.named(task)
        // Official archives unpack under the task's title; several tasks may share them.
        let published = description.folder.lowercased()
        let folder: String
        if let titled = self.cache.cachedFolder(for: description.folder, kind: .data) {
            folder = titled.path
        } else if self.cache.cachedFolder(for: published, kind: .data) == nil,
            !Catalogue.quintet.entries.contains(where: { $0.name == published })
        {
            throw SweepFoldersError(
                "\(description.title) is not fetched by this program; put its official files into "
                    + self.cache.folder.appending(path: "data/\(description.folder)").path
            )
        } else {
            folder = try await self.folder(published, kind: .data)
        }
        let files = try TaskFiles(task: description, folder: folder)
        for split in [OfficialSplit.train, .dev] {
            let short = try files.shortLines(split)
            guard !short.isEmpty else { continue }
            let lines = short.map(String.init).joined(separator: ", ")
            let note = "\(files.folder): of \(split.rawValue), lines \(lines) are left out: they lack columns\n"
            FileHandle.standardError.write(Data(note.utf8))
        }
        return try self.register(files.folder)
    }

    /// A backbone's folder that is there, nothing being fetched: a path where it has a `/` or is none in the cache.
    ///
    /// - Parameter other: what else the name might have been, for errors.
    /// - Throws: ``SweepFoldersError`` or `UnknownName` where there is none.
    func existingBackbone(_ name: String, or other: String? = nil) throws -> String {
        if !name.contains("/"), let cached = self.cache.cachedFolder(for: name, kind: .backbone) { return cached.path }
        if name.contains("/") || FileManager.default.fileExists(atPath: "\(name)/config.json") { return name }
        let known = Catalogue.quintet.entries.filter { $0.kind == .backbone }.map(\.name)
        guard known.contains(name) else {
            let tasks = other == nil ? [] : TaskDescription.all.map(\.name)
            let kind = [other, "backbone"].compactMap(\.self).joined(separator: " or ")
            throw UnknownName(kind: kind, name: name, known: tasks + known)
        }
        throw SweepFoldersError("\(name) is not in the cache; bring it there: quintet fetch \(name)")
    }

    /// The folder of a task's files in the cache, nothing being fetched.
    ///
    /// - Throws: ``SweepFoldersError`` where there is none.
    func existingData(_ task: TaskDescription) throws -> String {
        let names = [task.folder, task.name]
        if let folder = names.lazy.compactMap({ self.cache.cachedFolder(for: $0, kind: .data) }).first {
            return folder.path
        }
        throw SweepFoldersError("\(task.title) is not in the cache; bring it there by quintet fetch, or give --data")
    }

    private func folder(_ name: String, kind: Cache.Kind) async throws -> String {
        if name.contains("/") { return name }
        if let folder = self.cache.cachedFolder(for: name, kind: kind) { return folder.path }
        let display = FetchDisplay()
        return try await Fetcher(cache: self.cache, catalogue: .quintet).fetch(name) { display.show($0) }.path
    }

    private func register(_ folder: String) throws -> StoredFolder {
        let manifest = try FolderManifest(folder: folder)
        let absolute = URL(filePath: folder).standardizedFileURL.path
        try self.shared.register(absolute, as: manifest.digest)
        return StoredFolder(path: absolute, manifest: manifest)
    }

    /// Looks again at what a stored sweep needs: its files must still be what they were.
    ///
    /// - Throws: ``SweepFoldersError`` naming the folder that has changed.
    func check(_ stored: [StoredFolder]) throws {
        for folder in stored {
            let now = try FolderManifest(folder: folder.path)
            guard now == folder.manifest else {
                throw SweepFoldersError(
                    "the files in \(folder.path) are not those that the sweep was launched with; put them back, or "
                        + "launch the grid again to run its shards on the new ones"
                )
            }
            try self.shared.register(folder.path, as: now.digest)
        }
    }
}

/// Backbone or data that changed under a sweep.
struct SweepFoldersError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
