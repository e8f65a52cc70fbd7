import Foundation
import NIOCore
import NIOHTTP1

/// A file that is being downloaded: what is here already, and of which version of the file it is a part.
final class PartialFile {
    private let path: String
    private let bytesLimit: Int64
    private let handle: FileHandle
    private var bytes: Int64
    private var version: String?

    private var versionPath: String { "\(self.path).etag" }

    /// Opens what an earlier download left, or an empty file.
    init(path: String, bytesLimit: Int64) throws(HTTPSError) {
        self.path = path
        self.bytesLimit = bytesLimit
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw HTTPSError("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        self.handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        let version = (try? Data(contentsOf: URL(fileURLWithPath: "\(path).etag")))
            .map { String(decoding: $0.prefix(256), as: UTF8.self) }
        self.version = version.flatMap { $0.isEmpty ? nil : $0 }
        self.bytes = Int64(lseek(descriptor, 0, SEEK_END))
        // Nothing says that a part of an unknown version fits to what would come.
        if self.version == nil || self.bytes <= 0 { try self.restart() }
    }

    /// What asks for the rest; empty where all of it is wanted.
    var rangeHeaders: [(String, String)] {
        guard self.bytes > 0, let version = self.version else { return [] }
        return [("Range", "bytes=\(self.bytes)-"), ("If-Range", version)]
    }

    /// Throws away what is here.
    func restart() throws(HTTPSError) {
        do {
            try self.handle.truncate(atOffset: 0)
            try self.handle.seek(toOffset: 0)
        } catch {
            throw self.failure(error)
        }
        self.bytes = 0
        self.version = nil
        unlink(self.versionPath)
    }

    /// Makes the whole file durable.
    func finish() throws(HTTPSError) -> Int64 {
        guard fsync(self.handle.fileDescriptor) == 0 else {
            throw HTTPSError("cannot write \(self.path): \(String(cString: strerror(errno)))")
        }
        unlink(self.versionPath)
        return self.bytes
    }

    /// Takes a response.
    ///
    /// - Returns: false where the server cannot go on from the part that is here: ask for the whole.
    func take(
        _ head: HTTPResponseHead,
        _ body: inout HTTPSExchange.Body,
        from address: HTTPSAddress,
        askedForRange: Bool,
        progress: @Sendable (Int64, Int64?) -> Void
    ) async throws -> Bool {
        var total: Int64?
        switch head.status.code {
        case 200:
            try self.restart()
            total = head.headers.first(name: "Content-Length").flatMap { Int64($0) }
            try self.note(version: head.headers.first(name: "ETag"))
        case 206 where askedForRange:
            guard let range = ContentRange(head.headers.first(name: "Content-Range")), range.first == self.bytes else {
                return false
            }
            total = range.total
        case 416 where askedForRange:
            // Right behind the last byte there is nothing more, and then all is here.
            return ContentRange.unsatisfied(head.headers.first(name: "Content-Range")) == self.bytes
        default:
            throw HTTPSError(
                "\(address) answered \(head.status.code) \(head.status.reasonPhrase)",
                status: Int(head.status.code)
            )
        }
        if let total, total > self.bytesLimit { throw self.overLimit(address, total) }
        progress(self.bytes, total)
        while let part = try await body.next() {
            switch part {
            case .head: continue
            case .body(let piece):
                guard self.bytes + Int64(piece.readableBytes) <= self.bytesLimit else {
                    throw self.overLimit(address, nil)
                }
                try self.append(piece)
                progress(self.bytes, total)
            case .end:
                guard total == nil || total == self.bytes else {
                    throw HTTPSError("\(address) ended after \(self.bytes) of \(total ?? 0) bytes")
                }
                return true
            }
        }
        throw HTTPSError("\(address) ended after \(self.bytes) bytes, before the whole file")
    }

    /// Weak versions ("the same for a reader") are no base to add bytes to.
    private func note(version: String?) throws(HTTPSError) {
        guard let version, version.hasPrefix("\""), version.utf8.count <= 256 else { return }
        do {
            try Data(version.utf8).write(to: URL(fileURLWithPath: self.versionPath))
        } catch {
            throw self.failure(error)
        }
        self.version = version
    }

    private func append(_ piece: ByteBuffer) throws(HTTPSError) {
        do {
            try self.handle.write(contentsOf: Data(piece.readableBytesView))
        } catch {
            throw self.failure(error)
        }
        self.bytes += Int64(piece.readableBytes)
    }

    private func failure(_ error: any Error) -> HTTPSError {
        HTTPSError("cannot write \(self.path): \(error.localizedDescription)")
    }

    private func overLimit(_ address: HTTPSAddress, _ total: Int64?) -> HTTPSError {
        HTTPSError(
            "\(address) has \(total.map { "\($0)" } ?? "more") bytes, and at most \(self.bytesLimit) are expected: "
                + "this is not the file that was asked for"
        )
    }
}

/// `bytes FIRST-LAST/TOTAL` (RFC 9110, section 14.4).
struct ContentRange: Equatable {
    var first: Int64
    var total: Int64

    init?(_ text: String?) {
        guard let text, text.hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, bounds.count == 2, let first = Int64(bounds[0]), let last = Int64(bounds[1]),
            let total = Int64(parts[1]), first >= 0, first <= last, last == total - 1
        else {
            return nil
        }
        self.first = first
        self.total = total
    }

    /// The length in `bytes */TOTAL`, which goes with status 416.
    static func unsatisfied(_ text: String?) -> Int64? {
        guard let text, text.hasPrefix("bytes */") else { return nil }
        return Int64(text.dropFirst(8))
    }
}
