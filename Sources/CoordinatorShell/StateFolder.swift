public import Files
internal import Foundation
public import Transport

/// Where everything of a coordinator lives.
///
///     quintet.sqlite   sweeps, shards, results, leases
///     copy-*.sqlite    copies of it, each for one reader on another machine
///     blobs/           checkpoints by digest
///     authority/       the certificate authority, and what is left of the one before
///     join             how workers of a cluster manager join
///     address          where the coordinator that runs is reached
///     workers/         what the local workers keep
///     joined/          what those keep that joined by a line, or as jobs of Slurm
///     slurm/           scripts and logs of jobs
///     lock             held by the coordinator that runs
public struct StateFolder: Hashable, Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path
    }

    /// `--state`, else `QUINTET_STATE`, else the user's state folder.
    public static func chosen(_ given: String?, environment: [String: String]) -> StateFolder {
        if let given { return StateFolder(given) }
        if let state = environment["QUINTET_STATE"], !state.isEmpty { return StateFolder(state) }
        if let home = environment["XDG_STATE_HOME"], home.hasPrefix("/") { return StateFolder("\(home)/quintet") }
        return StateFolder("\(environment["HOME"] ?? ".")/.local/state/quintet")
    }

    public var database: String { "\(self.path)/quintet.sqlite" }
    public var blobs: String { "\(self.path)/blobs" }
    public var authority: String { "\(self.path)/authority" }
    public func worker(_ name: String) -> String { "\(self.path)/workers/\(name)" }
    /// The file by which workers of a cluster manager join.
    public var joinFile: JoinFile { JoinFile("\(self.path)/join") }
    /// Written by the coordinator that has opened its port.
    var addressFile: String { "\(self.path)/address" }
    private var lockFile: String { "\(self.path)/lock" }

    /// A folder without a store is not made into one with it.
    ///
    /// - Throws: ``StoreError`` where there is none.
    public func requireStore() throws(StoreError) { try Store.require(self.database) }

    /// The process of this machine whose coordinator has opened its port; `nil` where there is none.
    public var coordinatorProcess: Int? {
        guard CoordinatorAddress(self) != nil, let holder = self.holder, holder.isHere else { return nil }
        return holder.process
    }

    /// What wrote itself into the lock file last.
    var holder: FolderLock.Holder? { FolderLock.holder(of: self.lockFile) }

    /// How long the folder is waited for: a command may have it for a moment.
    private static let lockSeconds = 3.0

    /// Makes the folder where it is missing and takes it for this process.
    ///
    /// - Throws: ``StateFolderError`` where another coordinator has it, `StorageError` where it cannot be made.
    public func lock() throws -> FolderLock {
        let deadline = ContinuousClock.now + .seconds(Self.lockSeconds)
        repeat {
            if let lock = try self.lockIfFree() {
                // Of a coordinator that was killed.
                CoordinatorAddress.remove(self)
                return lock
            }
            usleep(20_000)
        } while ContinuousClock.now < deadline
        let holder = self.holder.map { holder in
            " (process \(holder.process)\(holder.isHere ? "" : " on \(holder.machine ?? "")"))"
        }
        throw StateFolderError(
            "the state folder \(self.path) is used by another coordinator\(holder ?? ""); stop it, or give another --state"
        )
    }

    /// As ``lock()``, but `nil` where another coordinator has it.
    func lockIfFree() throws(StorageError) -> FolderLock? {
        try DurableFile.makeFolder(self.path)
        try DurableFile.makeFolder(self.authority)
        return try FolderLock(file: self.lockFile)
    }
}

/// A state folder that cannot be used, and why.
public struct StateFolderError: Error, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
