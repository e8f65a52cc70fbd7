#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Names the seed when a run ends the whole process: a broken `precondition` of the state machines is a find, too.
enum LastSeed {
    /// The line that is written then, and its length; 0 while nothing runs.
    nonisolated(unsafe) private static let line = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
    nonisolated(unsafe) private static let count: UnsafeMutablePointer<Int> = {
        let pointer = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        pointer.initialize(to: 0)
        for number in [SIGILL, SIGTRAP, SIGSEGV] {
            // Only what a signal handler may do.
            signal(number) { number in
                _ = write(STDERR_FILENO, LastSeed.line, LastSeed.count.pointee)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        return pointer
    }()

    static func set(_ seed: UInt64?) {
        let text = seed.map { Array("seed \($0) ended the process\n".utf8) } ?? []
        self.line.update(from: text, count: text.count)
        self.count.pointee = text.count
    }
}
