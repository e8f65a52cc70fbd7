/// The entries of a zip archive that are stored as they are, by name. Nothing is unpacked and no name is ever a path.
///
/// Layout: PKWARE's APPNOTE 6.3.10, sections 4.3.7 (local headers), 4.3.12 (directory) and 4.3.14 to 4.3.16 (its end).
struct ZipDirectory {
    /// What is wrong with an archive.
    struct Problem: Error, CustomStringConvertible { let description: String }

    /// The most entries that are read.
    private static let entriesLimit = 100_000
    private static let commentBytesLimit = 0xFFFF

    /// Where in the archive an entry's bytes stand.
    let entries: [String: Range<Int>]

    /// - Throws: ``Problem`` where the archive is damaged, or has an entry that is compressed, encrypted or twice there.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        let reader = Reader(bytes: bytes)
        let (count, start) = try Self.directory(reader)
        guard count <= Self.entriesLimit else {
            throw Problem(description: "the archive has \(count) entries; the limit is \(Self.entriesLimit)")
        }
        var entries: [String: Range<Int>] = [:]
        var place = start
        for _ in 0..<count {
            let (name, range, next) = try Self.entry(reader, at: place)
            guard entries.updateValue(range, forKey: name) == nil else {
                throw Problem(description: "the entry \"\(name.prefix(200))\" is there twice")
            }
            place = next
        }
        self.entries = entries
    }

    private struct Reader {
        let bytes: UnsafeRawBufferPointer

        func number<T: FixedWidthInteger>(_ type: T.Type, at place: Int) throws -> Int {
            guard place >= 0, place <= self.bytes.count - MemoryLayout<T>.size,
                let number = Int(exactly: T(littleEndian: self.bytes.loadUnaligned(fromByteOffset: place, as: T.self)))
            else { throw Problem(description: "the archive's directory points outside of it (truncated?)") }
            return number
        }

        func expect(_ signature: UInt32, at place: Int) throws {
            guard try self.number(UInt32.self, at: place) == Int(signature) else {
                throw Problem(description: "the archive's directory is damaged")
            }
        }
    }

    /// The number of entries, and where the directory starts.
    private static func directory(_ reader: Reader) throws -> (count: Int, start: Int) {
        let size = reader.bytes.count
        let first = max(0, size - 22 - self.commentBytesLimit)
        let found = stride(from: size - 22, through: first, by: -1).first {
            (try? reader.expect(0x0605_4B50, at: $0)) != nil
        }
        guard let end = found else { throw Problem(description: "no zip archive, or one without its end") }
        let (count, start) = (
            try reader.number(UInt16.self, at: end + 10), try reader.number(UInt32.self, at: end + 16)
        )
        guard count == 0xFFFF || start == 0xFFFF_FFFF else { return (count, start) }
        // The numbers do not fit: a locator before the end says where larger fields stand.
        try reader.expect(0x0706_4B50, at: end - 20)
        let large = try reader.number(UInt64.self, at: end - 20 + 8)
        try reader.expect(0x0606_4B50, at: large)
        guard large <= size - 56 else { throw Problem(description: "the archive's directory is damaged") }
        return (try reader.number(UInt64.self, at: large + 32), try reader.number(UInt64.self, at: large + 48))
    }

    private static func entry(_ reader: Reader, at place: Int) throws -> (name: String, range: Range<Int>, next: Int) {
        try reader.expect(0x0201_4B50, at: place)
        let flags = try reader.number(UInt16.self, at: place + 8)
        let method = try reader.number(UInt16.self, at: place + 10)
        var packed = try reader.number(UInt32.self, at: place + 20)
        var unpacked = try reader.number(UInt32.self, at: place + 24)
        let nameLength = try reader.number(UInt16.self, at: place + 28)
        let extraLength = try reader.number(UInt16.self, at: place + 30)
        let commentLength = try reader.number(UInt16.self, at: place + 32)
        var header = try reader.number(UInt32.self, at: place + 42)
        let (nameStart, extraStart) = (place + 46, place + 46 + nameLength)
        let extraEnd = extraStart + extraLength
        guard extraEnd + commentLength <= reader.bytes.count else {
            throw Problem(description: "the archive's directory is cut off")
        }
        let name = String(decoding: reader.bytes[nameStart..<extraStart], as: UTF8.self)
        let shown = name.prefix(200)
        guard flags & 1 == 0, method == 0 else {
            throw Problem(description: "the entry \"\(shown)\" is compressed or encrypted; torch.save stores entries")
        }
        // Numbers that do not fit stand in an extra field, in this order, only those that are needed.
        var extra = extraStart
        while extra + 4 <= extraEnd {
            let (identifier, length) = (
                try reader.number(UInt16.self, at: extra), try reader.number(UInt16.self, at: extra + 2)
            )
            if identifier == 1 {
                var field = extra + 4
                func large(_ number: Int) throws -> Int {
                    guard number == 0xFFFF_FFFF else { return number }
                    defer { field += 8 }
                    return try reader.number(UInt64.self, at: field)
                }
                unpacked = try large(unpacked)
                packed = try large(packed)
                header = try large(header)
            }
            extra += 4 + length
        }
        guard packed == unpacked else { throw Problem(description: "the entry \"\(shown)\" has two sizes") }
        // Only the entry's own header says how long its name and padding are.
        try reader.expect(0x0403_4B50, at: header)
        let start =
            header + 30 + (try reader.number(UInt16.self, at: header + 26))
            + (try reader.number(UInt16.self, at: header + 28))
        guard start <= reader.bytes.count, unpacked <= reader.bytes.count - start else {
            throw Problem(description: "the entry \"\(shown)\" lies outside the archive (truncated?)")
        }
        return (name, start..<start + unpacked, extraEnd + commentLength)
    }
}
