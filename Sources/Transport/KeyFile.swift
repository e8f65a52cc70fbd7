import Files
import Foundation

/// Files that hold keys: readable by their owner alone, in folders that only their owner enters.
enum KeyFile {
    /// More than any identity or authority needs.
    private static let bytesLimit = 64 << 10

    /// The content of a file, or nil where there is none.
    static func read(_ path: String, followsLinks: Bool = false) throws(StorageError) -> String? {
        try DurableFile.read(path, bytesLimit: self.bytesLimit, followsLinks: followsLinks).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    static func write(_ text: String, to path: String) throws(StorageError) {
        try DurableFile.makeFolder(DurableFile.parent(of: path))
        try DurableFile.write(Array(text.utf8), to: path)
    }

    /// - Returns: false where the file is there already, whoever made it.
    static func create(_ text: String, at path: String) throws(StorageError) -> Bool {
        try DurableFile.makeFolder(DurableFile.parent(of: path))
        return try DurableFile.create(Array(text.utf8), at: path)
    }

    static func remove(_ path: String) throws(StorageError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw StorageError("remove", path) }
    }
}
