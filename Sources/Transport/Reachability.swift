import NIOCore
import NIOPosix

/// Whether a port can be had, and a coordinator be reached, without becoming either.
public enum Reachability {
    /// Opens a port as a ``Listener`` does, and closes it again.
    ///
    /// - Throws: ``ConnectionError`` where it cannot be had.
    public static func bind(host: String, port: Int) async throws(ConnectionError) {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        do {
            try await bootstrap.bind(host: host, port: port).get().close()
        } catch {
            throw ConnectionError(Listener.explain(error, host, port))
        }
    }

    /// Connects to the coordinator of a join line and lets it prove that it is of the line's authority. Nothing is sent
    /// to it: the line's token stays as it is.
    ///
    /// - Throws: ``ConnectionError`` where nobody answers, ``TLSError`` where somebody else does.
    public static func dial(_ line: JoinLine, withinSeconds seconds: Double) async throws {
        let context = try TLSContext.enrolling(authorityKeyDigest: line.authorityKeyDigest)
        let limits = ConnectionLimits(connectSeconds: seconds, handshakeSeconds: seconds, idleSeconds: seconds)
        try await Dialer.open(host: line.host, port: line.port, context: context, limits: limits).stream.close()
    }
}
