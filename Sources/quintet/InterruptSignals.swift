import Foundation
import Synchronization

/// SIGINT, SIGTERM and SIGHUP (a terminal that is gone) as a count. One at a time in a process.
final class InterruptSignals: Sendable {
    private static let numbers = [SIGINT, SIGTERM, SIGHUP]
    /// Where the handler, which may do next to nothing, writes the signal's number.
    private static let writingEnd = Atomic<Int32>(-1)

    /// The last that has come.
    private let last = Atomic<Int32>(0)

    /// What a process ends with, for shells and cluster managers, that has left because it was told to; `nil` where it
    /// was not.
    var exitCode: Int32? {
        let number = self.last.load(ordering: .sequentiallyConsistent)
        return number == 0 ? nil : 128 + number
    }

    /// - Parameter onSignal: is told how many have come, on a thread of its own.
    init(onSignal: @escaping @Sendable (Int) -> Void) {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe: \(String(cString: strerror(errno)))")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        Self.writingEnd.store(ends[1], ordering: .sequentiallyConsistent)
        let readingEnd = ends[0]
        let thread = Thread { [self] in
            // Whoever started this process may have left signals blocked; one thread that takes them is enough.
            var signals = sigset_t()
            sigemptyset(&signals)
            for number in Self.numbers { sigaddset(&signals, number) }
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            var (count, byte) = (0, UInt8(0))
            while true {
                let read = read(readingEnd, &byte, 1)
                if read < 0, errno == EINTR { continue }
                guard read == 1 else { return }
                count += 1
                self.last.store(Int32(byte), ordering: .sequentiallyConsistent)
                onSignal(count)
            }
        }
        thread.name = "signals"
        thread.start()
        for number in Self.numbers {
            signal(number) {
                let code = errno
                var byte = UInt8($0)
                _ = write(InterruptSignals.writingEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
                errno = code
            }
        }
    }

    /// From now on signals do what they usually do.
    func cancel() {
        for number in Self.numbers { signal(number, SIG_DFL) }
    }
}
