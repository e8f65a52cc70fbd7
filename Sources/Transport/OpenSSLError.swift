import COpenSSL

/// A call into OpenSSL that failed, with what its error queue said.
struct OpenSSLError: Error, CustomStringConvertible {
    /// One entry of the queue.
    struct Entry: Hashable {
        var library: Int32
        var reason: Int32
        var text: String
    }

    var operation: String
    var entries: [Entry]

    /// Takes the calling thread's error queue. Call it right after the call that failed, on the same thread.
    init(_ operation: String) {
        self.operation = operation
        self.entries = []
        while case let code = ERR_get_error(), code != 0 {
            var text = [CChar](repeating: 0, count: 160)
            if let reason = ERR_reason_error_string(code) {
                self.entries.append(Entry(code: code, text: String(cString: reason)))
            } else {
                ERR_error_string_n(code, &text, text.count)
                let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
                self.entries.append(Entry(code: code, text: String(decoding: bytes, as: UTF8.self)))
            }
        }
    }

    var description: String {
        let reasons = self.entries.isEmpty ? "no reason given" : self.entries.map(\.text).joined(separator: "; ")
        return "\(self.operation) failed: \(reasons)"
    }
}

extension OpenSSLError.Entry {
    init(code: UInt, text: String) {
        self.init(library: quintet_error_library(code), reason: quintet_error_reason(code), text: text)
    }
}

/// One object of OpenSSL's, freed when its owner goes.
struct Owned: ~Copyable {
    let pointer: OpaquePointer
    private let free: (OpaquePointer) -> Void

    /// - Throws: ``OpenSSLError`` where the call that made `pointer` gave nothing.
    init(
        _ pointer: OpaquePointer?,
        _ operation: @autoclosure () -> String,
        free: @escaping (OpaquePointer) -> Void
    ) throws(OpenSSLError) {
        guard let pointer else { throw OpenSSLError(operation()) }
        self.pointer = pointer
        self.free = free
    }

    deinit { self.free(self.pointer) }
}

/// Throws where a call of OpenSSL's did not answer with a positive number.
func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(OpenSSLError) {
    guard result > 0 else { throw OpenSSLError(operation()) }
}

/// PEM in and out of OpenSSL's types, through memory BIOs.
enum PEM {
    /// Reads one object from `text`; `read` is one of OpenSSL's `PEM_read_bio_…`.
    static func read(
        _ text: String,
        _ operation: String,
        free: @escaping (OpaquePointer) -> Void,
        _ read: (OpaquePointer) -> OpaquePointer?
    ) throws(OpenSSLError) -> Owned {
        ERR_clear_error()
        let bytes = Array(text.utf8)
        let bio = try Owned(BIO_new(BIO_s_mem()), operation) { BIO_free($0) }
        try check(BIO_write(bio.pointer, bytes, Int32(bytes.count)), operation)
        return try Owned(read(bio.pointer), operation, free: free)
    }

    /// The blocks of a text, each from its BEGIN line to its END line. A block that does not end is left out.
    static func blocks(_ text: String) -> [String] {
        var blocks: [String] = []
        var lines: [Substring] = []
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("-----BEGIN ") { lines = [] }
            lines.append(line)
            if line.hasPrefix("-----END ") {
                blocks.append(lines.joined(separator: "\n") + "\n")
                lines = []
            }
        }
        return blocks
    }

    /// What `write`, one of OpenSSL's `PEM_write_bio_…`, writes.
    static func write(_ operation: String, _ write: (OpaquePointer) -> Int32) throws(OpenSSLError) -> String {
        ERR_clear_error()
        let bio = try Owned(BIO_new(BIO_s_mem()), operation) { BIO_free($0) }
        try check(write(bio.pointer), operation)
        var start: UnsafeMutablePointer<CChar>?
        let count = quintet_bio_memory(bio.pointer, &start)
        return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }
}

/// Bytes from the operating system's generator.
func randomBytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(RAND_bytes(&bytes, Int32(count)) == 1, "no random bytes: \(OpenSSLError("RAND_bytes"))")
    return bytes
}
