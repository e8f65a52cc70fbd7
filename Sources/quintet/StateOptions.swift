import ArgumentParser
import CoordinatorShell
import Files
import Foundation
import Wire

/// What a coordinator may take of its disk.
struct DiskOptions: ParsableArguments {
    @Option(
        name: .customLong("disk"),
        help: ArgumentHelp(
            "The most that checkpoints may take in the state folder; by default what its disk has, less 64 MiB.",
            valueName: "MiB"
        )
    )
    var mebibytes: Int?

    var bytes: Int? { self.mebibytes.map { $0 << 20 } }

    func validate() throws {
        if let mebibytes, !(1..<1 << 40).contains(mebibytes) {
            throw ValidationError("--disk is \(mebibytes); give the MiB that checkpoints may take.")
        }
    }
}

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

    /// The coordinator that runs on the folder, or its store where none does.
    func coordinator() async throws -> CoordinatorAccess {
        try await CoordinatorAccess(self.folder, version: Quintet.version)
    }

    /// The store for reading, wherever its coordinator runs.
    func readableStore() async throws -> Store {
        try await Store.reading(self.folder, version: Quintet.version)
    }

    /// Everything that the folder holds, and the lock that keeps coordinators away meanwhile.
    ///
    /// - Parameters:
    ///   - damaged: whether a damaged store is opened too.
    ///   - mendsLog: whether its log is then mended first.
    func audit(damaged: Bool, mendsLog: Bool = false) throws -> (StateAudit, FolderLock) {
        try self.folder.requireStore()
        let lock = try self.folder.lock()
        let path = self.folder.database
        let store = try damaged ? Store(repairing: path, mendsLog: mendsLog) : Store(writing: path)
        return (StateAudit(store: store, blobs: try BlobStore(folder: self.folder.blobs)), lock)
    }

    func validate() throws {
        if self.path?.isEmpty == true { throw ValidationError("--state is empty; give a folder.") }
    }
}
