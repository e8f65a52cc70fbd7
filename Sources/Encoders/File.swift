#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A file mapped read-only: all trainers of a machine share one copy of it.
public final class File: @unchecked Sendable {
    public let path: String
    public let bytes: UnsafeRawBufferPointer

    /// - Throws: ``BackboneError`` when it cannot be read or is larger than the limit.
    public init(path: String, limitBytes: Int) throws {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw BackboneError(path: path, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw BackboneError(path: path, "not a file")
        }
        let size = Int(status.st_size)
        guard size <= limitBytes else {
            throw BackboneError(path: path, "has \(size) bytes; the limit is \(limitBytes)")
        }
        guard size > 0 else {
            self.bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), memory != MAP_FAILED else {
            throw BackboneError(path: path, "cannot be mapped: \(String(cString: strerror(errno)))")
        }
        self.bytes = UnsafeRawBufferPointer(start: memory, count: size)
    }

    /// A copy of a whole file.
    ///
    /// - Throws: as ``init(path:limitBytes:)``.
    public static func contents(path: String, limitBytes: Int) throws -> [UInt8] {
        let file = try File(path: path, limitBytes: limitBytes)
        // The mapping goes with the last use of the file, not with that of its bytes.
        return withExtendedLifetime(file) { [UInt8](file.bytes) }
    }

    deinit {
        if let base = self.bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), self.bytes.count) }
    }
}
