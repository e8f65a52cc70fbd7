#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// An output of this process, which may be a terminal.
struct Terminal: Sendable {
    let descriptor: Int32

    static let standardOutput = Terminal(descriptor: STDOUT_FILENO)
    static let standardError = Terminal(descriptor: STDERR_FILENO)

    /// Whether somebody watches who can see lines change.
    var isInteractive: Bool {
        isatty(self.descriptor) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"
    }

    /// Whether colours and bold text are wanted (see no-color.org).
    var isStyled: Bool { self.isInteractive && (getenv("NO_COLOR").map { $0.pointee == 0 } ?? true) }

    /// The size right now, which may change at any time.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(self.descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Writes all of the text. Nobody reads it where this fails, so the failure is not told.
    func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                #if canImport(Glibc)
                    let count = Glibc.write(self.descriptor, rest.baseAddress, rest.count)
                #else
                    let count = Musl.write(self.descriptor, rest.baseAddress, rest.count)
                #endif
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}
