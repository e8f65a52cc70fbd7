import Foundation

/// A process that must not outlive its parent: its standard input is a pipe that nobody but the parent holds open.
enum Lifeline {
    /// Ends this process at once when its standard input does, from a thread of its own: no training step, and no
    /// network, can hold it up. What is worth keeping is on disk at any moment.
    static func watch() {
        let thread = Thread {
            var byte: UInt8 = 0
            while true {
                let count = read(STDIN_FILENO, &byte, 1)
                if count == 0 || count < 0 && errno != EINTR { _exit(EX_TEMPFAIL) }
            }
        }
        thread.name = "lifeline"
        thread.start()
    }
}
