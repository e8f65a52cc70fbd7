internal import GRDBSQLite
internal import Synchronization

/// A simulated disk as SQLite sees it: a file system registered under a name of its own, one for each run. It has no
/// locks and no shared memory: one connection has the store for itself.
final class DiskFileSystem {
    let name: String
    private let nameBytes: UnsafeMutablePointer<CChar>
    private let vfs: UnsafeMutablePointer<sqlite3_vfs>

    private static let count = Atomic<Int>(0)

    init(_ disk: SimulatedDisk) {
        self.name = "quintet-\(Self.count.wrappingAdd(1, ordering: .relaxed).newValue)"
        self.nameBytes = .allocate(capacity: self.name.utf8.count + 1)
        self.nameBytes.initialize(
            from: self.name.utf8.map { CChar(bitPattern: $0) } + [0],
            count: self.name.utf8.count + 1
        )
        self.vfs = .allocate(capacity: 1)
        self.vfs.initialize(to: Self.makeVFS(named: self.nameBytes, disk))
        precondition(sqlite3_vfs_register(self.vfs, 0) == SQLITE_OK, "SQLite takes no file system")
    }

    deinit {
        sqlite3_vfs_unregister(self.vfs)
        if let disk = self.vfs.pointee.pAppData { Unmanaged<SimulatedDisk>.fromOpaque(disk).release() }
        self.vfs.deallocate()
        self.nameBytes.deallocate()
    }

    private static func makeVFS(named name: UnsafePointer<CChar>, _ disk: SimulatedDisk) -> sqlite3_vfs {
        var vfs = sqlite3_vfs()
        vfs.iVersion = 1
        vfs.szOsFile = CInt(MemoryLayout<OpenFile.Slot>.size)
        vfs.mxPathname = 512
        vfs.zName = name
        vfs.pAppData = Unmanaged.passRetained(disk).toOpaque()
        vfs.xOpen = { vfs, path, file, flags, outFlags in
            guard let disk = DiskFileSystem.disk(vfs), let file else { return SQLITE_CANTOPEN }
            outFlags?.pointee = flags
            return OpenFile.open(path.map { String(cString: $0) }, on: disk, flags: flags, into: file)
        }
        vfs.xDelete = { vfs, path, syncsNames in
            guard let disk = DiskFileSystem.disk(vfs), let path else { return SQLITE_IOERR }
            return code(SQLITE_IOERR | 10 << 8) { () throws(SimulatedDisk.Failure) in
                try disk.remove(String(cString: path), syncsNames: syncsNames != 0)
            }
        }
        vfs.xAccess = { vfs, path, _, result in
            guard let disk = DiskFileSystem.disk(vfs), let path else { return SQLITE_IOERR }
            result?.pointee = disk.files[String(cString: path)] == nil ? 0 : 1
            return SQLITE_OK
        }
        vfs.xFullPathname = { _, path, count, result in
            guard let path, let result else { return SQLITE_CANTOPEN }
            let bytes = Array(String(cString: path).utf8CString)
            guard bytes.count <= count else { return SQLITE_CANTOPEN }
            result.update(from: bytes, count: bytes.count)
            return SQLITE_OK
        }
        vfs.xRandomness = { _, count, result in
            result?.update(repeating: 0, count: Int(count))
            return count
        }
        vfs.xSleep = { _, microseconds in microseconds }
        vfs.xCurrentTime = { _, days in
            days?.pointee = 2_461_000
            return SQLITE_OK
        }
        vfs.xGetLastError = { _, _, _ in 0 }
        return vfs
    }

    private static func disk(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> SimulatedDisk? {
        vfs?.pointee.pAppData.map { Unmanaged<SimulatedDisk>.fromOpaque($0).takeUnretainedValue() }
    }
}

/// SQLite's number for how an operation ended.
private func code(_ fault: CInt, _ body: () throws(SimulatedDisk.Failure) -> Void) -> CInt {
    do {
        try body()
        return SQLITE_OK
    } catch {
        return error == .full ? SQLITE_FULL : fault
    }
}

/// A file that SQLite has open.
private final class OpenFile {
    /// What SQLite keeps of it.
    struct Slot {
        var base: sqlite3_file
        var file: UnsafeMutableRawPointer?
    }

    let disk: SimulatedDisk
    let file: SimulatedDisk.File
    let process: Int
    /// With the first sync of a journal SQLite's own file system syncs its folder; with others it does not.
    let isJournal: Bool
    /// Set for a file that goes with its handle.
    let removedName: String?

    init(_ disk: SimulatedDisk, _ file: SimulatedDisk.File, flags: CInt, removedName: String?) {
        self.disk = disk
        self.file = file
        self.isJournal = flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL | SQLITE_OPEN_SUPER_JOURNAL) != 0
        self.process = disk.process
        self.removedName = removedName
    }

    static func open(
        _ name: String?,
        on disk: SimulatedDisk,
        flags: CInt,
        into slot: UnsafeMutablePointer<sqlite3_file>
    ) -> CInt {
        slot.pointee.pMethods = nil
        // A file without a name is nobody else's.
        let file = name.map { disk.file($0, create: flags & SQLITE_OPEN_CREATE != 0) } ?? SimulatedDisk.File()
        guard let file else { return SQLITE_CANTOPEN }
        let open = OpenFile(
            disk,
            file,
            flags: flags,
            removedName: flags & SQLITE_OPEN_DELETEONCLOSE != 0 ? name : nil
        )
        slot.withMemoryRebound(to: Slot.self, capacity: 1) {
            $0.pointee.file = Unmanaged.passRetained(open).toOpaque()
        }
        slot.pointee.pMethods = UnsafePointer(self.methods)
        return SQLITE_OK
    }

    private static func at(_ slot: UnsafeMutablePointer<sqlite3_file>?) -> Unmanaged<OpenFile>? {
        slot?.withMemoryRebound(to: Slot.self, capacity: 1) { $0.pointee.file.map { Unmanaged.fromOpaque($0) } }
    }

    /// Does something for the process that has the file open, if it still is there.
    private static func with(
        _ slot: UnsafeMutablePointer<sqlite3_file>?,
        fault: CInt,
        _ body: (OpenFile) throws(SimulatedDisk.Failure) -> Void
    ) -> CInt {
        guard let open = self.at(slot)?.takeUnretainedValue(), open.process == open.disk.process else { return fault }
        return code(fault) { () throws(SimulatedDisk.Failure) in try body(open) }
    }

    /// Copies what there is and fills the rest with zeros, as SQLite wants it.
    private func read(into buffer: UnsafeMutableRawPointer, count: Int, at offset: Int) -> CInt {
        let available = max(0, min(count, self.file.content.count - offset))
        if available > 0 {
            self.file.content.withUnsafeBytes {
                buffer.copyMemory(from: $0.baseAddress! + offset, byteCount: available)
            }
        }
        guard available < count else { return SQLITE_OK }
        buffer.advanced(by: available).initializeMemory(as: UInt8.self, repeating: 0, count: count - available)
        return SQLITE_IOERR | 2 << 8
    }

    nonisolated(unsafe) private static let methods: UnsafeMutablePointer<sqlite3_io_methods> = {
        var methods = sqlite3_io_methods()
        methods.iVersion = 1
        methods.xClose = { slot in
            guard let open = OpenFile.at(slot) else { return SQLITE_OK }
            let file = open.takeUnretainedValue()
            if let name = file.removedName, file.process == file.disk.process {
                _ = try? file.disk.remove(name, syncsNames: false)
            }
            open.release()
            return SQLITE_OK
        }
        methods.xRead = { slot, buffer, count, offset in
            var short = SQLITE_OK
            let code = OpenFile.with(slot, fault: SQLITE_IOERR | 1 << 8) { (open) throws(SimulatedDisk.Failure) in
                try open.disk.read(open.file)
                if let buffer { short = open.read(into: buffer, count: Int(count), at: Int(offset)) }
            }
            return code == SQLITE_OK ? short : code
        }
        methods.xWrite = { slot, bytes, count, offset in
            OpenFile.with(slot, fault: SQLITE_IOERR | 3 << 8) { (open) throws(SimulatedDisk.Failure) in
                let bytes = UnsafeRawBufferPointer(start: bytes, count: Int(count))
                try open.disk.write(Array(bytes), to: open.file, at: Int(offset))
            }
        }
        methods.xTruncate = { slot, count in
            OpenFile.with(slot, fault: SQLITE_IOERR | 6 << 8) { (open) throws(SimulatedDisk.Failure) in
                try open.disk.truncate(open.file, to: Int(count))
            }
        }
        methods.xSync = { slot, _ in
            OpenFile.with(slot, fault: SQLITE_IOERR | 4 << 8) { (open) throws(SimulatedDisk.Failure) in
                try open.disk.sync(open.file, syncsNames: open.isJournal)
            }
        }
        methods.xFileSize = { slot, result in
            OpenFile.with(slot, fault: SQLITE_IOERR | 7 << 8) { (open) throws(SimulatedDisk.Failure) in
                result?.pointee = sqlite3_int64(open.file.content.count)
            }
        }
        methods.xLock = { _, _ in SQLITE_OK }
        methods.xUnlock = { _, _ in SQLITE_OK }
        methods.xCheckReservedLock = { _, result in
            result?.pointee = 0
            return SQLITE_OK
        }
        methods.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
        methods.xSectorSize = { _ in 4096 }
        // As on the system's: a write does not harm its neighbours in a sector (SQLITE_IOCAP_POWERSAFE_OVERWRITE).
        methods.xDeviceCharacteristics = { _ in 0x1000 }
        let pointer = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        pointer.initialize(to: methods)
        return pointer
    }()
}
