public import Digests
internal import Foundation

/// What a folder of files holds: names, lengths and digests. Its own digest stands for the folder, wherever it lies:
/// it is the backbone or data digest of a shard.
///
/// Written as lines `DIGEST BYTES NAME`, sorted by name, so that equal folders have equal digests; the written form
/// travels as a blob like any other.
public struct FolderManifest: Hashable, Sendable {
    public struct File: Hashable, Sendable {
        /// Relative to the folder, with `/` between parts.
        public var name: String
        public var bytes: Int
        public var digest: Digest

        public init(name: String, bytes: Int, digest: Digest) {
            self.name = name
            self.bytes = bytes
            self.digest = digest
        }
    }

    /// Sorted by the bytes of their names.
    public let files: [File]

    /// The most files that a folder may hold.
    public static let filesLimit = 4096
    /// The most bytes of a written manifest.
    public static let writtenBytesLimit = 1 << 20
    /// The most bytes of all files together.
    public static let totalBytesLimit = 1 << 40

    /// - Throws: ``FolderManifestError`` for a name that leads out of the folder or comes twice, and past a limit.
    public init(files: [File]) throws(FolderManifestError) {
        guard !files.isEmpty else { throw FolderManifestError("it names no file") }
        guard files.count <= Self.filesLimit else {
            throw FolderManifestError("it names \(files.count) files; a folder may have \(Self.filesLimit)")
        }
        self.files = files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        var total = 0
        for (index, file) in self.files.enumerated() {
            guard Self.isSafe(file.name) else {
                throw FolderManifestError("\"\(file.name.prefix(80))\" is no name of a file inside a folder")
            }
            guard index == 0 || self.files[index - 1].name != file.name else {
                throw FolderManifestError("\(file.name) is named twice")
            }
            guard file.bytes >= 0, file.bytes <= Self.totalBytesLimit - total else {
                throw FolderManifestError("its files have more than \(Self.totalBytesLimit) bytes")
            }
            total += file.bytes
        }
    }

    /// Reads the form of ``written``.
    ///
    /// - Throws: ``FolderManifestError`` where it is anything else.
    public init(written: [UInt8]) throws(FolderManifestError) {
        guard written.count <= Self.writtenBytesLimit, let text = String(validating: written, as: UTF8.self) else {
            throw FolderManifestError("it is too long or no UTF-8")
        }
        var files: [File] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, let digest = Digest(String(parts[0])), let bytes = Int(parts[1]) else {
                throw FolderManifestError("\"\(line.prefix(80))\" is not digest, length and name")
            }
            files.append(File(name: String(parts[2]), bytes: bytes, digest: digest))
        }
        try self.init(files: files)
        guard self.written == text else { throw FolderManifestError("its lines are not in their order") }
    }

    /// Reads a folder and hashes all its files, those in folders below included; names that begin with a dot and
    /// what is neither file nor folder are left out.
    ///
    /// - Throws: ``FolderManifestError`` or `FileError` naming the folder or file.
    public init(folder: String) throws {
        var files: [File] = []
        try Self.walk(folder, prefix: "") { name, path, bytes in
            guard files.count < Self.filesLimit else {
                throw FolderManifestError("\(folder) holds more than \(Self.filesLimit) files")
            }
            files.append(File(name: name, bytes: bytes, digest: try SHA256.hash(file: path)))
        }
        guard !files.isEmpty else { throw FolderManifestError("\(folder) holds no files") }
        try self.init(files: files)
    }

    /// See the type.
    public var written: String {
        self.files.map { "\($0.digest) \($0.bytes) \($0.name)\n" }.joined()
    }

    public var digest: Digest { SHA256.hash(self.written) }

    /// Whether a name stays inside its folder.
    static func isSafe(_ name: String) -> Bool {
        guard (1...1024).contains(name.utf8.count), !name.unicodeScalars.contains(where: { $0.value < 32 }) else {
            return false
        }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count <= 8 && parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") }
    }

    private static func walk(
        _ folder: String,
        prefix: String,
        _ visit: (_ name: String, _ path: String, _ bytes: Int) throws -> Void
    ) throws {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw FolderManifestError("the folder \(folder) cannot be read")
        }
        for name in names.sorted() where !name.hasPrefix(".") {
            let path = "\(folder)/\(name)"
            let attributes = try FileManager.default.attributesOfItem(atPath: Self.resolved(path))
            switch attributes[.type] as? FileAttributeType {
            case .typeRegular: try visit(prefix + name, path, attributes[.size] as? Int ?? 0)
            case .typeDirectory: try self.walk(path, prefix: "\(prefix)\(name)/", visit)
            default: continue
            }
        }
    }

    private static func resolved(_ path: String) -> String { URL(filePath: path).resolvingSymlinksInPath().path }
}

/// A folder or its manifest that cannot be used, and why.
public struct FolderManifestError: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
