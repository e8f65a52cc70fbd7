#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Prints what a thread is reading, as hexadecimal digits, when the process crashes over it.
enum CrashReport {
    private struct Input {
        var start: UnsafePointer<UInt8>
        var count: Int
    }

    /// The signals by which a program that traps or reads where nothing is ends.
    private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV]

    /// Each thread's ``Input``: the handler runs on the thread that crashed.
    private static let current: pthread_key_t = {
        var key = pthread_key_t()
        precondition(pthread_key_create(&key, nil) == 0, "no thread-local storage is left")
        for number in CrashReport.signals { signal(number) { CrashReport.print($0) } }
        return key
    }()

    static func reading<Value>(_ input: [UInt8], _ body: () throws -> Value) rethrows -> Value {
        try input.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return try body() }
            return try withUnsafeTemporaryAllocation(of: Input.self, capacity: 1) { slot in
                slot.initializeElement(at: 0, to: Input(start: start, count: bytes.count))
                pthread_setspecific(self.current, slot.baseAddress)
                defer { pthread_setspecific(self.current, nil) }
                return try body()
            }
        }
    }

    /// Allocates nothing and takes no lock: it runs inside a signal handler.
    private static func print(_ number: Int32) {
        signal(number, SIG_DFL)
        if let input = pthread_getspecific(self.current)?.assumingMemoryBound(to: Input.self).pointee {
            self.write("\nthe process crashes while it reads ")
            let digits: StaticString = "0123456789abcdef"
            for index in 0..<input.count {
                Self.put(digits.utf8Start + Int(input.start[index] >> 4), 1)
                Self.put(digits.utf8Start + Int(input.start[index] & 15), 1)
            }
            self.write("\n")
        }
        raise(number)
    }

    private static func write(_ text: StaticString) { self.put(text.utf8Start, text.utf8CodeUnitCount) }

    private static func put(_ start: UnsafePointer<UInt8>, _ count: Int) {
        #if canImport(Glibc)
            _ = Glibc.write(STDERR_FILENO, start, count)
        #else
            _ = Musl.write(STDERR_FILENO, start, count)
        #endif
    }
}
