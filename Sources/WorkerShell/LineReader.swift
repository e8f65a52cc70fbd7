#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Cuts what comes through a descriptor into lines, none longer than a limit.
struct LineReader {
    enum Line: Hashable {
        case whole([UInt8])
        /// The first bytes of a line over the limit; the rest of it is skipped.
        case cut([UInt8])
    }

    let descriptor: Int32
    let lineBytesLimit: Int
    private(set) var isAtEnd = false
    private var rest: [UInt8] = []
    private var isSkipping = false

    /// - Parameter descriptor: made non-blocking.
    init(_ descriptor: Int32, lineBytesLimit: Int) {
        self.descriptor = descriptor
        self.lineBytesLimit = lineBytesLimit
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    /// The lines that are complete now; at the end also one without a line feed.
    mutating func read(buffer: inout [UInt8]) -> [Line] {
        guard !self.isAtEnd else { return [] }
        let count = buffer.withUnsafeMutableBytes { bytes in
            #if canImport(Glibc)
                Glibc.read(self.descriptor, bytes.baseAddress, bytes.count)
            #else
                Musl.read(self.descriptor, bytes.baseAddress, bytes.count)
            #endif
        }
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        guard count > 0 else {
            self.isAtEnd = true
            defer { self.rest = [] }
            return self.rest.isEmpty ? [] : [.whole(self.rest)]
        }
        return self.cut(buffer[..<count])
    }

    private mutating func cut(_ bytes: ArraySlice<UInt8>) -> [Line] {
        var lines: [Line] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if self.isSkipping {
                self.isSkipping = false
            } else {
                self.rest += bytes[start..<end]
                lines.append(self.takeRest())
            }
            start = end + 1
        }
        if !self.isSkipping {
            self.rest += bytes[start...]
            if self.rest.count > self.lineBytesLimit {
                lines.append(self.takeRest())
                self.isSkipping = true
            }
        }
        return lines
    }

    private mutating func takeRest() -> Line {
        defer { self.rest = [] }
        return self.rest.count > self.lineBytesLimit
            ? .cut(Array(self.rest.prefix(self.lineBytesLimit))) : .whole(self.rest)
    }
}
