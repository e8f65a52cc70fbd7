import Foundation

/// A lock that processes share by a file, and that goes with the process that holds it.
final class FolderLock: Sendable {
    private let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(self.descriptor) }

    /// Waits, on a thread of its own, until no other process holds the lock.
    static func acquire(at place: URL) async throws -> FolderLock {
        let descriptor = open(place.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw FetchError("cannot write \(place.path): \(String(cString: strerror(errno)))")
        }
        let lock = FolderLock(descriptor)
        let code: Int32 = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                while flock(descriptor, LOCK_EX) != 0 {
                    if errno != EINTR { return continuation.resume(returning: errno) }
                }
                continuation.resume(returning: 0)
            }
        }
        guard code == 0 else { throw FetchError("cannot lock \(place.path): \(String(cString: strerror(code)))") }
        return lock
    }
}
