import COpenSSL

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// SHA-256 (FIPS 180-4) through libcrypto, in one piece or in parts.
public struct SHA256: ~Copyable {
    private let context: OpaquePointer

    /// Looked up once: to look it up takes longer than to hash a short text.
    private nonisolated(unsafe) static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

    public init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, Self.algorithm, nil) == 1 else {
            preconditionFailure("libcrypto offers no SHA-256")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(self.context) }

    /// Adds bytes to what is hashed.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        precondition(EVP_DigestUpdate(self.context, bytes.baseAddress, bytes.count) == 1, "SHA-256 update failed")
    }

    /// Adds bytes to what is hashed.
    public mutating func update(_ bytes: some Sequence<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ self.update(UnsafeRawBufferPointer($0)) }) == nil {
            Array(bytes).withUnsafeBytes { self.update($0) }
        }
    }

    /// Ends the hash.
    public consuming func finalize() -> Digest {
        var bytes = [UInt8](repeating: 0, count: Digest.byteCount)
        precondition(EVP_DigestFinal_ex(self.context, &bytes, nil) == 1, "SHA-256 final failed")
        return Digest(bytes: bytes)
    }

    /// The digest of bytes that are at hand.
    public static func hash(_ bytes: some Sequence<UInt8>) -> Digest {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finalize()
    }

    /// The digest of a text's UTF-8 bytes.
    public static func hash(_ text: String) -> Digest { self.hash(text.utf8) }

    /// The digest of a file's content, read in parts.
    ///
    /// - Throws: ``FileError`` when the file cannot be read.
    public static func hash(file path: String) throws -> Digest {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        defer { close(descriptor) }
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: path, code: errno) }
            if count == 0 { return hash.finalize() }
            buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }
}

/// A file that could not be read, and why.
public struct FileError: Error, CustomStringConvertible {
    public let path: String
    /// The system's error number.
    public let code: Int32

    public init(path: String, code: Int32) {
        self.path = path
        self.code = code
    }

    public var description: String { "\(self.path): \(String(cString: strerror(self.code)))" }
}
