internal import Files

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Musl
#endif

/// SQLite's write-ahead log as it lies there, read without SQLite: that takes a damaged frame for the end of the log, and
/// the commits behind it would be gone without a word.
///
///     header  32 bytes: magic, format, page bytes, sequence, 2 salts, 2 sums
///     frame   24 bytes: page, pages after a commit or 0, 2 salts, 2 sums; then the page
///
/// Numbers are big-endian; sums run on from frame to frame, over all but the salts
/// (https://www.sqlite.org/fileformat2.html#walformat). A frame whose sum goes on from that of a
/// commit was written once the commit was synced: where the log ends before such a commit, no crash tore it, it was
/// damaged. A damaged last commit cannot be told from a torn one: even a sector that is off by one bit may be an older one.
struct StoreLog {
    let bytes: Int
    /// Bytes of the file, fewer only at its end.
    let read: (_ offset: Int, _ count: Int) throws -> [UInt8]

    /// From `offset` on nothing can be read, and `commits` stand behind it, as far as they can be counted.
    struct Damage: Hashable, CustomStringConvertible {
        var offset: Int
        var commits: Int

        var description: String { "nothing can be read from byte \(self.offset) on, \(self.commits) commits at least" }
    }

    private static let headerBytes = 32
    private static let frameHeaderBytes = 24
    /// Of a disk: what is written at once or not at all.
    private static let sectorBytes = 512

    /// The running sums over pairs of words.
    private struct Sum: Hashable {
        var first: UInt32 = 0
        var second: UInt32 = 0
        let isBigEndian: Bool

        /// Adds whole pairs of words.
        mutating func add(_ bytes: some RandomAccessCollection<UInt8>) {
            bytes.withContiguousStorageIfAvailable { bytes in
                let bytes = UnsafeRawBufferPointer(bytes)
                for start in stride(from: 0, to: bytes.count - 7, by: 8) {
                    self.first &+= self.word(bytes, start) &+ self.second
                    self.second &+= self.word(bytes, start + 4) &+ self.first
                }
            }
        }

        private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            return self.isBigEndian ? UInt32(bigEndian: word) : UInt32(littleEndian: word)
        }

        func with(_ first: UInt32, _ second: UInt32) -> Sum {
            Sum(first: first, second: second, isBigEndian: self.isBigEndian)
        }
    }

    private struct Header {
        let pageBytes: Int
        let salts: ArraySlice<UInt8>
        let sum: Sum

        /// `nil` where SQLite would take it for none.
        init?(_ bytes: [UInt8]) {
            let magic = StoreLog.number(bytes, 0)
            guard bytes.count == StoreLog.headerBytes, magic & ~1 == 0x377F_0682 else { return nil }
            self.pageBytes = Int(StoreLog.number(bytes, 8))
            self.salts = bytes[16..<24]
            var sum = Sum(isBigEndian: magic & 1 == 1)
            sum.add(bytes[..<24])
            self.sum = sum
            guard sum == sum.with(StoreLog.number(bytes, 24), StoreLog.number(bytes, 28)),
                (512...65536).contains(self.pageBytes), self.pageBytes & (self.pageBytes - 1) == 0
            else { return nil }
        }
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<min(offset + 4, bytes.count)].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// What is wrong, if anything.
    func damage() throws -> Damage? {
        // A header is synced before the first frame is written.
        guard self.bytes > Self.headerBytes else { return nil }
        let header = try self.read(0, Self.headerBytes)
        guard let damage = try self.damage(under: header) else { return nil }
        // A coordinator at work may have begun the log anew meanwhile, or was in the middle of a frame: damage stays.
        guard try self.read(0, Self.headerBytes) == header,
            try self.damage(under: header)?.offset == damage.offset
        else { return nil }
        return damage
    }

    private func damage(under bytes: [UInt8]) throws -> Damage? {
        guard let header = Header(bytes) else {
            return Damage(offset: 0, commits: 0)
        }
        let frameBytes = Self.frameHeaderBytes + header.pageBytes
        let frames = (self.bytes - Self.headerBytes) / frameBytes
        var sum = header.sum
        var end = Self.headerBytes
        for index in 0..<frames {
            let offset = Self.headerBytes + index * frameBytes
            let frame = try self.read(offset, frameBytes)
            guard frame.count == frameBytes else { return nil }
            guard let next = Self.sum(of: frame, after: sum, header) else {
                let (commits, isProven) = try self.commits(from: index, to: frames, header)
                guard isProven else { return nil }
                return Damage(offset: end, commits: commits)
            }
            sum = next
            if Self.isCommit(frame) { end = offset + frameBytes }
        }
        return nil
    }

    private static func isCommit(_ frame: [UInt8]) -> Bool { self.number(frame, 4) != 0 }

    private static func storedSum(_ frame: [UInt8], _ header: Header) -> Sum {
        header.sum.with(self.number(frame, 16), self.number(frame, 20))
    }

    private static func sum(over frame: [UInt8], after sum: Sum) -> Sum {
        var sum = sum
        sum.add(frame[..<8])
        sum.add(frame[Self.frameHeaderBytes...])
        return sum
    }

    /// A frame's own sum; `nil` where it does not go on from this one.
    private static func sum(of frame: [UInt8], after sum: Sum, _ header: Header) -> Sum? {
        guard frame[8..<16].elementsEqual(header.salts), self.number(frame, 0) != 0 else { return nil }
        let sum = self.sum(over: frame, after: sum)
        return sum == self.storedSum(frame, header) ? sum : nil
    }

    /// How many commits stand from a frame on that cannot be read, and whether one of them is sure to have been durable.
    private func commits(
        from first: Int,
        to frames: Int,
        _ header: Header
    ) throws -> (commits: Int, isProven: Bool) {
        let frameBytes = Self.frameHeaderBytes + header.pageBytes
        var commits = 0
        var isProven = false
        /// The stored sum of the frame before, and whether that is a commit for sure.
        var before: (sum: Sum, isCommit: Bool)?
        for index in first..<frames {
            let offset = Self.headerBytes + index * frameBytes
            let frame = try self.read(offset, frameBytes)
            guard frame.count == frameBytes else { break }
            let isNext = before.map { Self.sum(of: frame, after: $0.sum, header) != nil } ?? false
            if isNext, before?.isCommit == true { isProven = true }
            let isCommit = Self.isCommit(frame)
            if isCommit, frame[8..<16].elementsEqual(header.salts) { commits += 1 }
            // Torn, a header within one sector is all of one write.
            let isWhole =
                isNext
                || offset / Self.sectorBytes == (offset + Self.frameHeaderBytes - 1) / Self.sectorBytes
            before = (Self.storedSum(frame, header), isCommit && isWhole)
        }
        return (commits, isProven)
    }
}

extension StoreLog {
    /// Looks into a file of the system's; one that is not there has no damage.
    ///
    /// - Parameter mends: whether a damaged log is cut where it can no longer be read.
    /// - Throws: ``StorageError`` where it cannot be read or mended.
    static func damage(in path: String, mends: Bool) throws -> Damage? {
        let descriptor = open(path, (mends ? O_RDWR : O_RDONLY) | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw StorageError("open", path) }
            return nil
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StorageError("read", path) }
        let log = StoreLog(bytes: Int(status.st_size)) { offset, count in
            try Self.read(descriptor, path, offset, count)
        }
        guard let damage = try log.damage() else { return nil }
        guard mends else { return damage }
        guard ftruncate(descriptor, off_t(damage.offset)) == 0 else { throw StorageError("cut", path) }
        try DurableFile.sync(descriptor, path: path)
        return damage
    }

    private static func read(_ descriptor: Int32, _ path: String, _ offset: Int, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let read = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + filled, count - filled, off_t(offset + filled))
            }
            if read < 0, errno == EINTR { continue }
            guard read >= 0 else { throw StorageError("read", path) }
            if read == 0 { return Array(bytes.prefix(filled)) }
            filled += read
        }
        return bytes
    }
}
