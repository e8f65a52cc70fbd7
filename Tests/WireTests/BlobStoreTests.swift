import Digests
import Files
import Foundation
import Testing

@testable import Wire

/// A folder that is gone after the test.
private final class Folder {
    let path = FileManager.default.temporaryDirectory.appending(path: "wire-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }
}

/// The system's files, of which a sync or a rename fails after it was done, as far as anybody can see.
private struct FailingFiles: BlobFiles {
    let step: String
    let system = SystemBlobFiles()

    private func fail(_ step: String, _ path: String) throws(StorageError) {
        if step == self.step { throw StorageError("write", path, code: EIO) }
    }

    func makeFolder(_ path: String) throws(StorageError) { try self.system.makeFolder(path) }
    func syncFolder(_ path: String) throws(StorageError) { try self.fail("open", path) }
    func names(in folder: String) throws(StorageError) -> [String] { try self.system.names(in: folder) }
    func bytes(of path: String) -> Int? { self.system.bytes(of: path) }
    func append(_ bytes: [UInt8], to path: String, at end: Int) throws(StorageError) {
        try self.system.append(bytes, to: path, at: end)
    }
    func sync(_ path: String) throws(StorageError) { try self.fail("sync", path) }
    func digest(of path: String) throws -> Digest { try self.system.digest(of: path) }
    func rename(_ old: String, to new: String) throws(StorageError) {
        try self.system.rename(old, to: new)
        try self.fail("rename", new)
    }
    func remove(_ path: String) { self.system.remove(path) }
    func secondsSinceChange(of path: String) -> Int { self.system.secondsSinceChange(of: path) }
}

@Suite struct BlobStoreTests {
    private let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    private func chunk(_ range: Range<Int>, of bytes: [UInt8]? = nil, as digest: Digest? = nil) -> BlobChunk {
        let all = bytes ?? self.bytes
        return BlobChunk(
            digest: digest ?? SHA256.hash(all),
            offset: range.lowerBound,
            totalBytes: all.count,
            bytes: Array(all[range])
        )
    }

    @Test func `a blob that comes in parts goes on where it stopped, in another store object too`() throws {
        let folder = try Folder()
        let digest = SHA256.hash(self.bytes)
        #expect(try BlobStore(folder: folder.path).add(self.chunk(0..<400)) == 400)
        let store = try BlobStore(folder: folder.path)
        #expect(store.receivedBytes(of: digest) == 400 && !store.contains(digest))
        // A part that is not the next one changes nothing, and says which is.
        #expect(try store.add(self.chunk(500..<900)) == 400)
        #expect(try store.add(self.chunk(0..<400)) == 400)
        #expect(try store.add(self.chunk(400..<1000)) == nil)
        #expect(store.contains(digest))
        #expect(FileManager.default.contents(atPath: store.path(of: digest)) == Data(self.bytes))
        #expect(try store.chunk(of: digest, offset: 990, count: 100).bytes == Array(self.bytes[990...]))
        #expect(throws: BlobError.self) { try store.chunk(of: digest, offset: 1001, count: 1) }
    }

    /// Goal: what is counted is what lies there, whatever comes, goes or is thrown away.
    @Test func `used bytes are those of the files`() throws {
        let folder = try Folder()
        #expect(try BlobStore(folder: folder.path).usedBytes == nil)
        let store = try BlobStore(folder: folder.path, countsBytes: true)
        let other = [UInt8](repeating: 1, count: 10)
        _ = try store.add(self.chunk(0..<400))
        _ = try store.add(self.chunk(0..<10, of: other))
        #expect(store.usedBytes == 410)
        _ = try? store.add(self.chunk(0..<1000, as: SHA256.hash("something else")))
        #expect(store.usedBytes == 410)
        #expect(try BlobStore(folder: folder.path, countsBytes: true).usedBytes == 410)
        _ = try store.add(self.chunk(400..<1000))
        #expect(store.usedBytes == 1010)
        store.removePartial(SHA256.hash(other))
        #expect(store.usedBytes == 1010)
        store.remove(SHA256.hash(other))
        store.remove(SHA256.hash(other))
        #expect(store.usedBytes == 1000)
        try store.removeAll(except: [])
        #expect(store.usedBytes == 0)
    }

    @Test func `bytes that are not those of the digest never become a blob`() throws {
        let folder = try Folder()
        let store = try BlobStore(folder: folder.path)
        let digest = SHA256.hash("something else")
        #expect(throws: BlobError.self) { try store.add(self.chunk(0..<1000, as: digest)) }
        #expect(!store.contains(digest) && store.receivedBytes(of: digest) == 0)
    }

    /// Goal: a process that was killed between a blob's last part and its end stops nobody. Method: a partial file as it
    /// left it; asked for the next part, or sent one, the store puts the blob in place.
    @Test func `a blob that came whole and was not put in place is, and a wrong one is sent anew`() throws {
        let folder = try Folder()
        let store = try BlobStore(folder: folder.path)
        let digest = SHA256.hash(self.bytes)
        let partial = URL(filePath: "\(folder.path)/partial/\(digest)")
        try Data(self.bytes).write(to: partial)
        #expect(try store.nextOffset(of: digest, totalBytes: 1000) == nil)
        #expect(store.contains(digest))
        store.remove(digest)
        try Data(self.bytes).write(to: partial)
        #expect(try store.add(self.chunk(0..<400)) == nil)
        #expect(store.contains(digest))
        store.remove(digest)
        for count in [1000, 1001] {
            try Data(repeating: 1, count: count).write(to: partial)
            #expect(try store.nextOffset(of: digest, totalBytes: 1000) == 0)
            #expect(!store.contains(digest) && store.receivedBytes(of: digest) == 0)
        }
        #expect(try store.nextOffset(of: SHA256.hash([]), totalBytes: 0) == 0)
    }

    /// Goal: nothing counts as stored that stands in the system's cache alone.
    @Test(arguments: ["sync", "rename"]) func `what a failed step may have left unwritten is thrown away`(step: String)
        throws
    {
        let folder = try Folder()
        let store = try BlobStore(folder: folder.path, files: FailingFiles(step: step))
        let digest = SHA256.hash(self.bytes)
        #expect(throws: StorageError.self) { try store.add(self.chunk(0..<1000)) }
        #expect(!store.contains(digest) && store.receivedBytes(of: digest) == 0)
        #expect(throws: StorageError.self) { try BlobStore(folder: folder.path, files: FailingFiles(step: "open")) }
    }

    @Test func `a blob over the limit is refused before a byte is written`() throws {
        let folder = try Folder()
        let store = try BlobStore(folder: folder.path, blobBytesLimit: 999)
        #expect(throws: BlobError.self) { try store.add(self.chunk(0..<1)) }
        #expect(store.receivedBytes(of: SHA256.hash(self.bytes)) == 0)
    }

    @Test func `what nobody refers to is removed, and old parts with it`() throws {
        let folder = try Folder()
        let store = try BlobStore(folder: folder.path)
        let other: [UInt8] = [1, 2, 3]
        _ = try store.add(self.chunk(0..<1000))
        _ = try store.add(self.chunk(0..<3, of: other))
        _ = try store.add(self.chunk(0..<10, of: [UInt8](repeating: 9, count: 20)))
        #expect(try store.removeAll(except: [SHA256.hash(other)]) == 1)
        #expect(try store.all() == [SHA256.hash(other)])
        let partial = SHA256.hash([UInt8](repeating: 9, count: 20))
        #expect(store.receivedBytes(of: partial) == 10)
        try store.removeAll(except: [SHA256.hash(other)], partialSeconds: -10)
        #expect(store.receivedBytes(of: partial) == 0)
    }

    @Test func `a file is replaced whole or stays as it was`() throws {
        let folder = try Folder()
        let path = "\(folder.path)/file"
        try DurableFile.write([1], to: path)
        try DurableFile.write([2, 3], to: path)
        #expect(FileManager.default.contents(atPath: path) == Data([2, 3]))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
        #expect(throws: StorageError.self) { try DurableFile.write([4], to: "\(folder.path)/missing/file") }
    }

    @Test func `a file that is renewed reads as before, however large, and one that is not there is no mistake`() throws
    {
        let folder = try Folder()
        let path = "\(folder.path)/log"
        let bytes = (0..<(1 << 20) + 3).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try DurableFile.write(bytes, to: path)
        try DurableFile.renew(path)
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(bytes))
        try DurableFile.renew("\(folder.path)/missing")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["log"])
    }

    @Test func `a folder has one lock, and its holder can be named`() throws {
        let folder = try Folder()
        let path = "\(folder.path)/lock"
        var first = try FolderLock(file: path)
        #expect(first != nil)
        #expect(try FolderLock(file: path) == nil)
        let holder = try #require(FolderLock.holder(of: path))
        #expect(holder.process == Int(ProcessInfo.processInfo.processIdentifier))
        #expect(holder.machine == FolderLock.machine && holder.isHere)
        first = nil
        #expect(try FolderLock(file: path) != nil)
        try DurableFile.write(Array("12 elsewhere\n".utf8), to: path)
        #expect(FolderLock.holder(of: path)?.isHere == false)
        // As an earlier version wrote it.
        try DurableFile.write(Array("12\n".utf8), to: path)
        #expect(FolderLock.holder(of: path)?.process == 12)
        #expect(FolderLock.holder(of: path)?.isHere == true)
    }
}

@Suite struct FolderManifestTests {
    private let digest = SHA256.hash("content")

    @Test(arguments: ["../x", "/etc/passwd", "a/../b", "", ".", "a//b", "a/.hidden", "a\nb", "a/"])
    func `names that lead out of the folder are refused`(name: String) {
        #expect(throws: FolderManifestError.self) {
            try FolderManifest(files: [.init(name: name, bytes: 1, digest: self.digest)])
        }
        #expect(throws: FolderManifestError.self) {
            try FolderManifest(written: Array("\(self.digest) 1 \(name)\n".utf8))
        }
    }

    @Test func `equal folders have equal digests, and the written form reads back`() throws {
        let (first, second) = (try Folder(), try Folder())
        for folder in [first, second] {
            try FileManager.default.createDirectory(atPath: "\(folder.path)/sub", withIntermediateDirectories: true)
            for (name, text) in [("b", "two"), ("a c", "one"), ("sub/d", "three")] {
                try Data(text.utf8).write(to: URL(filePath: "\(folder.path)/\(name)"))
            }
        }
        try Data().write(to: URL(filePath: "\(second.path)/.hidden"))
        let manifest = try FolderManifest(folder: first.path)
        #expect(manifest.files.map(\.name) == ["a c", "b", "sub/d"])
        #expect(try FolderManifest(folder: second.path).digest == manifest.digest)
        #expect(try FolderManifest(written: Array(manifest.written.utf8)) == manifest)
        #expect(manifest.digest == SHA256.hash(manifest.written))
        try Data("other".utf8).write(to: URL(filePath: "\(second.path)/b"))
        #expect(try FolderManifest(folder: second.path).digest != manifest.digest)
    }

    @Test(arguments: ["", "x 1 a\n", "1 a\n"])
    func `what is no manifest is refused`(text: String) {
        #expect(throws: FolderManifestError.self) { try FolderManifest(written: Array(text.utf8)) }
    }
}
