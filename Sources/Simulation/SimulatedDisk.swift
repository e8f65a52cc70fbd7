/// A disk of a simulated machine. What a process writes is there at once for every process, and on the disk itself
/// only after a sync; when the power goes, each sector of what was still on its way is lost or kept as the seed says.
final class SimulatedDisk {
    final class File {
        enum Change {
            case write([UInt8], at: Int)
            case truncate(to: Int)
        }

        /// What processes read.
        var content: [UInt8] = []
        /// What is left when the power goes.
        fileprivate(set) var durable: [UInt8] = []
        /// What is on its way from the one to the other.
        fileprivate var changes: [Change] = []
        /// Whether its name is on the disk.
        fileprivate var isNamed = false
        /// The name that is, where it has a new one.
        fileprivate var formerName: String?
        fileprivate var isRenamed = false
        /// How often it was synced.
        fileprivate(set) var syncs = 0

        fileprivate func settle() {
            for change in self.changes { Self.apply(change, to: &self.durable) }
            self.changes = []
            self.syncs += 1
        }

        fileprivate static func apply(_ change: Change, to bytes: inout [UInt8]) {
            switch change {
            case .write(let part, let offset):
                if bytes.count < offset + part.count {
                    bytes.append(contentsOf: repeatElement(0, count: offset + part.count - bytes.count))
                }
                bytes.replaceSubrange(offset..<offset + part.count, with: part)
            case .truncate(let count): bytes.removeLast(max(0, bytes.count - count))
            }
        }
    }

    /// Why an operation failed.
    enum Failure: Error {
        case fault
        case full
        /// The process or the machine that asked is gone.
        case gone
    }

    static let sectorBytes = 512

    private(set) var files: [String: File] = [:]
    /// Removed files whose names are still on the disk.
    private var removed: [String: File] = [:]
    /// Raised with the end of every process: its open files are of no use any more.
    private(set) var process = 0
    /// Whether the last process ended with the power.
    private(set) var hasLostPower = false
    /// Whether the process ended in the middle of an operation, and nobody has noticed yet.
    private(set) var isProcessGone = false
    private var random: SeededGenerator
    /// Probabilities of faults.
    var readFaults = 0.0
    var writeFaults = 0.0
    var syncFaults = 0.0
    var isFull = false
    /// That an unsynced sector is lost with the power.
    var lossProbability = 1.0
    /// After so many more operations the process is killed, or the power goes.
    var fuse: (operations: Int, losesPower: Bool)?
    private(set) var seen: Set<Sometimes> = []

    init(seed: UInt64) { self.random = SeededGenerator(seed: seed) }

    // MARK: - What processes do

    func file(_ name: String, create: Bool) -> File? {
        if let file = self.files[name] { return file }
        guard create else { return nil }
        let file = File()
        self.files[name] = file
        return file
    }

    func read(_ file: File) throws(Failure) {
        if self.random.chance(self.readFaults) {
            self.seen.insert(.readFault)
            throw .fault
        }
    }

    func write(_ bytes: [UInt8], to file: File, at offset: Int) throws(Failure) {
        if self.isFull, offset + bytes.count > file.content.count {
            self.seen.insert(.diskFull)
            throw .full
        }
        if self.random.chance(self.writeFaults) {
            self.seen.insert(.writeFault)
            throw .fault
        }
        self.change(.write(bytes, at: offset), file)
        try self.burnFuse()
    }

    func truncate(_ file: File, to count: Int) throws(Failure) {
        self.change(.truncate(to: count), file)
        try self.burnFuse()
    }

    private func change(_ change: File.Change, _ file: File) {
        File.apply(change, to: &file.content)
        file.changes.append(change)
    }

    /// A sync that fails has given up what it was to write: the next one succeeds and writes nothing of it.
    ///
    /// - Parameter syncsNames: whether the folder is synced, too, where the file is new.
    func sync(_ file: File, syncsNames: Bool) throws(Failure) {
        try self.burnFuse()
        if self.random.chance(self.syncFaults) {
            self.seen.insert(.syncFault)
            file.changes = []
            throw .fault
        }
        file.settle()
        if syncsNames, !file.isNamed { self.syncNames(in: "") }
    }

    /// Writes a file over itself, so that what a failed sync has given up is on the disk after all.
    func renew(_ name: String) throws(Failure) {
        guard let file = self.files[name] else { return }
        try self.write(file.content, to: file, at: 0)
        try self.sync(file, syncsNames: false)
        self.syncNames(in: Self.folder(of: name))
    }

    static func folder(of name: String) -> String {
        name.lastIndex(of: "/").map { String(name[..<$0]) } ?? ""
    }

    private func syncNames(in folder: String) {
        for (name, file) in self.files where Self.folder(of: name) == folder {
            file.isNamed = true
            file.formerName = nil
        }
        self.removed = self.removed.filter { Self.folder(of: $0.key) != folder }
    }

    func syncFolder(_ folder: String) throws(Failure) {
        try self.burnFuse()
        if self.random.chance(self.syncFaults) {
            self.seen.insert(.syncFault)
            throw .fault
        }
        self.syncNames(in: folder)
    }

    func rename(_ old: String, to new: String) throws(Failure) {
        guard let file = self.files.removeValue(forKey: old) else { throw .fault }
        precondition(self.files[new] == nil, "\(new) is there")
        file.isRenamed = true
        if file.isNamed { (file.isNamed, file.formerName) = (false, old) }
        self.files[new] = file
        try self.burnFuse()
    }

    func remove(_ name: String, syncsNames: Bool) throws(Failure) {
        guard let file = self.files.removeValue(forKey: name) else { return }
        if file.isNamed { self.removed[name] = file }
        try self.burnFuse()
        if syncsNames { self.syncNames(in: Self.folder(of: name)) }
    }

    private func burnFuse() throws(Failure) {
        guard let fuse = self.fuse else { return }
        guard fuse.operations <= 0 else { return self.fuse = (fuse.operations - 1, fuse.losesPower) }
        self.seen.insert(fuse.losesPower ? .crashedInWrite : .killedInWrite)
        if fuse.losesPower { self.losePower() } else { self.endProcess() }
        self.isProcessGone = true
        throw .gone
    }

    // MARK: - What happens to them

    /// A process ends; the system keeps what it wrote.
    func endProcess() {
        self.process += 1
        self.fuse = nil
        self.hasLostPower = false
        self.isProcessGone = false
    }

    func losePower() {
        self.endProcess()
        self.hasLostPower = true
        for (name, file) in self.files.sorted(by: { $0.key < $1.key }) {
            self.tear(file)
            if !file.isNamed, self.random.chance(self.lossProbability) {
                self.files[name] = nil
                if file.isRenamed { self.seen.insert(.renameLost) }
                if let former = file.formerName, self.files[former] == nil { self.files[former] = file }
            }
            (file.isNamed, file.formerName) = (true, nil)
        }
        for (name, file) in self.removed.sorted(by: { $0.key < $1.key }) where self.files[name] == nil {
            guard self.random.chance(0.5) else { continue }
            self.tear(file)
            self.files[name] = file
        }
        self.removed = [:]
    }

    private func tear(_ file: File) {
        var (kept, lost) = (0, 0)
        func survives() -> Bool {
            let isLost = self.random.chance(self.lossProbability)
            if isLost { lost += 1 } else { kept += 1 }
            return !isLost
        }
        for change in file.changes {
            switch change {
            case .truncate: if survives() { File.apply(change, to: &file.durable) }
            case .write(let bytes, let offset):
                var start = 0
                while start < bytes.count {
                    let border = (offset + start) / Self.sectorBytes * Self.sectorBytes + Self.sectorBytes
                    let end = min(bytes.count, border - offset)
                    if survives() {
                        File.apply(.write(Array(bytes[start..<end]), at: offset + start), to: &file.durable)
                    }
                    start = end
                }
            }
        }
        if kept > 0, lost > 0 { self.seen.insert(.tornWrite) }
        file.changes = []
        file.content = file.durable
    }

    /// All files as they are, for ``restore(_:)``.
    func copy() -> [String: [UInt8]] {
        self.files.mapValues(\.content)
    }

    /// Puts files back, all of them on the disk.
    func restore(_ copy: [String: [UInt8]]) {
        self.files = copy.mapValues { content in
            let file = File()
            (file.content, file.durable, file.isNamed) = (content, content, true)
            return file
        }
        self.removed = [:]
    }

    /// Writes one block of a file over another, on the disk and wherever it was read: as a write does that goes astray.
    func misplace(block: Int, of file: File, over other: Int, blockBytes: Int) {
        let bytes = Array(file.content[block * blockBytes..<(block + 1) * blockBytes])
        File.apply(.write(bytes, at: other * blockBytes), to: &file.content)
        File.apply(.write(bytes, at: other * blockBytes), to: &file.durable)
    }

    /// Flips one bit of a file, on the disk and wherever it was read.
    func flip(bit: Int, of file: File) {
        file.content[bit / 8] ^= 1 << (bit % 8)
        if bit / 8 < file.durable.count { file.durable[bit / 8] ^= 1 << (bit % 8) }
    }
}
