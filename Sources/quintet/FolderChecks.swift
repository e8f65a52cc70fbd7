import CoordinatorShell
import Files
import Foundation

/// Whether a folder's file system does what Quintet builds on, tried in a folder of its own beside what is there.
struct FolderChecks {
    enum Use: String {
        case state
        case cache
    }

    private let path: String
    private let use: Use
    /// Where it is tried: gone afterwards.
    private let scratch: String

    /// All that is found of a folder, which need not be there yet.
    static func all(_ path: String, of use: Use) -> [Finding] {
        let place = Self.nearest(path)
        var template = Array("\(place)/.quintet-doctor-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            let error = StorageError("write", place)
            return [Finding(use.rawValue, "\(path): \(error)", .bad, advice: "give this user the folder")]
        }
        let scratch = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let checks = FolderChecks(path: path, use: use, scratch: scratch)
        var findings = [checks.place(), checks.sync(), checks.locks(), checks.names(), checks.clock()]
        if use == .state { findings.append(checks.store()) }
        return findings
    }

    /// The folder, or the nearest above it that there is.
    static func nearest(_ path: String) -> String {
        var path = URL(filePath: path).standardizedFileURL.path
        while path != "/", !FileManager.default.fileExists(atPath: path) { path = DurableFile.parent(of: path) }
        return URL(filePath: path).resolvingSymlinksInPath().path
    }

    // MARK: One check each

    private static let leastBytes = 256 << 20

    private func place() -> Finding {
        let mounts = FileManager.default.contents(atPath: "/proc/self/mountinfo") ?? Data()
        let system = Self.fileSystem(of: self.scratch, mounts: String(decoding: mounts, as: UTF8.self))
        let bytes = DurableFile.freeBytes(at: self.scratch)
        let room = bytes.map { "\(MachineChecks.size($0)) free" } ?? "room not known"
        let text = "\(self.path) on \(system ?? "a file system without name"), \(room)"
        if let bytes, bytes < Self.leastBytes {
            return self.finding("", text, .warning, advice: "make room: each running shard keeps checkpoints")
        }
        if self.use == .state, let system, Self.isOfNetwork(system) {
            return self.finding(
                "",
                text,
                .warning,
                advice: "a local disk is safer: SQLite needs its locks and its memory"
            )
        }
        if self.use == .state, ["tmpfs", "ramfs"].contains(system) {
            return self.finding("", text, .warning, advice: "what is there is lost when the machine stops")
        }
        return self.finding("", text)
    }

    private static let writes = 9
    private static let slowMilliseconds = 50.0

    private func sync() -> Finding {
        self.attempt("fsync", advice: "choose a file system that makes files durable") {
            let path = "\(self.scratch)/sync"
            let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw StorageError("write", path) }
            defer { close(descriptor) }
            let times = try (0..<Self.writes).map { _ in
                let start = ContinuousClock.now
                try DurableFile.writeAll([UInt8](repeating: 7, count: 4096), to: descriptor, path: path)
                try DurableFile.sync(descriptor, path: path)
                return (ContinuousClock.now - start) / .milliseconds(1)
            }
            let median = times.sorted()[Self.writes / 2]
            let text =
                "\(median.formatted(.number.precision(.significantDigits(2)))) ms for 4 KiB (median of \(Self.writes))"
            let isSlow = self.use == .state && median > Self.slowMilliseconds
            return self.finding(
                "fsync",
                text,
                isSlow ? .warning : .ok,
                advice: "each result waits for it: choose a faster disk"
            )
        }
    }

    private func locks() -> Finding {
        let advice = "choose a file system with flock(2); NFS needs its lock service, Lustre the mount option flock"
        return self.attempt("locks", advice: advice) {
            let path = "\(self.scratch)/lock"
            guard let first = try FolderLock(file: path) else {
                return self.finding("locks", "a lock that nobody has cannot be had", .bad, advice: advice)
            }
            defer { withExtendedLifetime(first) {} }
            guard try FolderLock(file: path) == nil else {
                return self.finding("locks", "two had the same lock", .bad, advice: advice)
            }
            return self.finding("locks", "a second lock is refused")
        }
    }

    private func names() -> Finding {
        let advice = "choose a file system with rename(2) that replaces, and hard links"
        return self.attempt("names", advice: advice) {
            let path = "\(self.scratch)/name"
            try DurableFile.write([1], to: path)
            try DurableFile.write([2], to: path)
            guard try DurableFile.read(path, bytesLimit: 1) == [2], try !DurableFile.create([3], at: path),
                try DurableFile.create([3], at: "\(path)-2")
            else { return self.finding("names", "a file was not replaced as a whole", .bad, advice: advice) }
            return self.finding("names", "rename replaces, a second name can be given")
        }
    }

    private static let skewSecondsLimit = 2.0

    /// A file server stamps files by its own clock.
    private func clock() -> Finding {
        self.attempt("clock", advice: "") {
            let path = "\(self.scratch)/clock"
            let before = Date()
            try DurableFile.write([1], to: path)
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            guard let stamp = attributes[.modificationDate] as? Date else {
                return self.finding("clock", "files have no times")
            }
            // Files' times come from a coarser clock than the one that was read, and the write took a while.
            let skew = max(before.timeIntervalSince(stamp), stamp.timeIntervalSince(Date()), 0)
            let text = skew.formatted(.number.precision(.fractionLength(1)))
            guard skew > Self.skewSecondsLimit else {
                return self.finding("clock", "files are stamped by this machine's clock, within \(text) s")
            }
            let advice = "have both set by chrony or systemd-timesyncd"
            return self.finding(
                "clock",
                "files are stamped \(text) s beside this machine's clock",
                .warning,
                advice: advice
            )
        }
    }

    private func store() -> Finding {
        self.attempt("store", advice: "choose a local file system") {
            _ = try Store(writing: "\(self.scratch)/quintet.sqlite")
            return self.finding("store", "SQLite keeps a log there and makes it durable")
        }
    }

    private func attempt(_ name: String, advice: String, _ body: () throws -> Finding) -> Finding {
        do { return try body() } catch { return self.finding(name, "\(error)", .bad, advice: advice) }
    }

    private func finding(_ name: String, _ text: String, _ state: Finding.State = .ok, advice: String = "") -> Finding {
        Finding(name.isEmpty ? self.use.rawValue : "\(self.use.rawValue) \(name)", text, state, advice: advice)
    }

    // MARK: File systems

    /// The type of the file system that a path lies on, from /proc/PID/mountinfo: of all mounts above it the lowest, and
    /// of those at one place the last.
    static func fileSystem(of path: String, mounts: String) -> String? {
        var best: (length: Int, type: String)?
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 1 else { continue }
            let mount = fields[4].replacing("\\040", with: " ")
            guard mount == "/" || path == mount || path.hasPrefix("\(mount)/"), mount.utf8.count >= best?.length ?? 0
            else { continue }
            best = (mount.utf8.count, String(fields[dash + 1]))
        }
        return best?.type
    }

    static func isOfNetwork(_ type: String) -> Bool {
        ["nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "gpfs", "beegfs", "afs", "9p"].contains(type)
            || ["fuse.sshfs", "fuse.glusterfs", "fuse.s3fs"].contains(type)
    }
}
