internal import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

extension Channel {
    /// Marks the socket to be closed in programs that this process starts. One that outlives it, such as what writes the
    /// backtrace of a crash, would keep the port from the next coordinator and connections from ending.
    ///
    /// On the channel's event loop.
    func closeOnExec() throws {
        try self.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { descriptor in
            guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
                throw IOError(errnoCode: errno, reason: "fcntl(F_SETFD)")
            }
        }
    }
}
