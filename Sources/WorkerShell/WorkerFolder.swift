internal import Coordination
internal import Digests
public import Files
internal import Foundation
internal import Sweeps
internal import Wire

/// Where a worker keeps what must outlive its process.
///
///     identity.pem               key and certificate
///     lock                       held by the worker that runs
///     health                     that its loop turns, see ``WorkerHealth``
///     worked                     there once it was given a shard
///     incoming/                  checkpoints that are being fetched
///     attempts/TOKEN/            one folder for each attempt:
///         shard.json                 the trainer's order
///         out/                       the trainer's own folder
///         uploads/DIGEST             checkpoints that the coordinator has not got yet
///         outcome.json               what came of it; there until the coordinator has settled it
public struct WorkerFolder: Hashable, Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path
    }

    /// Makes the folder where it is missing and takes it for this process.
    ///
    /// - Returns: `nil` where another worker has it.
    /// - Throws: `StorageError` where it cannot be made.
    public func lock() throws(StorageError) -> FolderLock? {
        try DurableFile.makeFolder("\(self.path)/attempts")
        return try FolderLock(file: "\(self.path)/lock")
    }

    /// Takes over what workers could not hand over that have ended, and may never be started again: those whose folders
    /// lie beside this one and are of its kind (`slurm-12_3` and `slurm-14_1`), of one coordinator therefore. Any worker
    /// may report a result while its shard has none.
    ///
    /// - Returns: how many outcomes.
    @discardableResult
    public func inherit() -> Int {
        let parent = DurableFile.parent(of: self.path)
        let kind = self.path.dropFirst(parent.count + 1).prefix { $0 != "-" }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        let siblings = names.filter { $0.hasPrefix("\(kind)-") }.sorted().map { WorkerFolder("\(parent)/\($0)") }
        var count = 0
        for sibling in siblings where sibling.path != self.path {
            let attempts = (try? FileManager.default.contentsOfDirectory(atPath: "\(sibling.path)/attempts")) ?? []
            guard !attempts.isEmpty, let lock = try? sibling.lock() else { continue }
            defer { withExtendedLifetime(lock) {} }
            for entry in sibling.recover() {
                let (from, to) = (sibling.attempt(entry.lease.token), self.attempt(entry.lease.token))
                if rename(from.path, to.path) == 0 { count += 1 }
            }
        }
        return count
    }

    /// Removes the folder where no worker has it and nothing in it waits for a coordinator.
    ///
    /// - Returns: whether it was removed.
    public func removeIfSettled() -> Bool {
        guard let lock = try? self.lock(), self.recover().isEmpty else { return false }
        defer { withExtendedLifetime(lock) {} }
        return (try? FileManager.default.removeItem(atPath: self.path)) != nil
    }

    /// Whether a worker in it was ever given a shard.
    public var hasWorked: Bool { access(self.workedFile, F_OK) == 0 }

    /// - Throws: `StorageError` where that cannot be written.
    func noteWork() throws(StorageError) {
        if !self.hasWorked { try DurableFile.write([], to: self.workedFile) }
    }

    private var workedFile: String { "\(self.path)/worked" }
    var healthFile: String { "\(self.path)/health" }
    var incoming: String { "\(self.path)/incoming" }

    func attempt(_ token: LeaseToken) -> AttemptFolder {
        AttemptFolder(path: "\(self.path)/attempts/\(token)")
    }

    /// Outcomes that were never settled. Attempts without one died with their worker: their folders are removed.
    func recover() -> [Worker.Spooled] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(self.path)/attempts")) ?? []
        var spooled: [Worker.Spooled] = []
        for name in names.sorted() {
            let folder = AttemptFolder(path: "\(self.path)/attempts/\(name)")
            if let token = LeaseToken(name), let entry = folder.outcome, entry.lease.token == token {
                spooled.append(entry)
            } else {
                folder.remove()
            }
        }
        return spooled
    }
}

/// The files of one attempt.
struct AttemptFolder: Hashable, Sendable {
    let path: String

    var order: String { "\(self.path)/shard.json" }
    var output: String { "\(self.path)/out" }
    private var outcomeFile: String { "\(self.path)/outcome.json" }
    /// The largest outcome that is read back.
    private static let outcomeBytesLimit = 8 << 20

    func make() throws(StorageError) {
        self.remove()
        try DurableFile.makeFolder(self.output)
        try DurableFile.makeFolder("\(self.path)/uploads")
    }

    func remove() { try? FileManager.default.removeItem(atPath: self.path) }

    /// What its files take; a file with two names counts twice.
    var bytes: Int {
        let names = FileManager.default.enumerator(atPath: self.path)
        var sum = 0
        while names?.nextObject() != nil { sum += (names?.fileAttributes?[.size] as? Int) ?? 0 }
        return sum
    }

    func write(_ order: TrainerOrder) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        try DurableFile.write([UInt8](try encoder.encode(order)), to: self.order)
    }

    private struct StoredOutcome: Codable {
        var lease: Lease
        var outcome: Outcome
    }

    /// Makes the outcome durable.
    func spool(_ lease: Lease, _ outcome: Outcome) throws {
        try DurableFile.makeFolder(self.path)
        let stored = StoredOutcome(lease: lease, outcome: outcome)
        try DurableFile.write([UInt8](try JSONEncoder().encode(stored)), to: self.outcomeFile)
        try FaultPoint.reach("attempt", of: self.outcomeFile)
        try DurableFile.syncFolder(DurableFile.parent(of: self.path))
        try FaultPoint.reach("spooled", of: self.outcomeFile)
    }

    var outcome: Worker.Spooled? {
        guard let data = FileManager.default.contents(atPath: self.outcomeFile), data.count <= Self.outcomeBytesLimit,
            let stored = try? JSONDecoder().decode(StoredOutcome.self, from: data)
        else { return nil }
        return Worker.Spooled(lease: stored.lease, outcome: stored.outcome)
    }

    func upload(_ digest: Digest) -> String { "\(self.path)/uploads/\(digest)" }

    /// Gives a checkpoint a second name, which stays when the trainer replaces the file.
    ///
    /// - Throws: `BlobError` for a name outside the folder, `StorageError` where there is no such file.
    func putAside(_ checkpoint: TrainerEvent.Checkpointed) throws {
        let name = checkpoint.file
        guard !name.isEmpty, !name.contains("/"), name != "..", name != "." else {
            throw BlobError("the trainer names \"\(name.prefix(80))\" as its checkpoint, which is not in its folder")
        }
        let (old, new) = ("\(self.output)/\(name)", self.upload(checkpoint.digest))
        guard link(old, new) == 0 || errno == EEXIST else { throw StorageError("link", old) }
    }

    func dropUpload(_ digest: Digest) { unlink(self.upload(digest)) }
}
