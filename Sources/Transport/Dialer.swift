import NIOCore
import NIOPosix
import Wire

/// Opens connections to a coordinator.
public enum Dialer {
    /// Connects, and proves both sides.
    ///
    /// In TLS 1.3 a refusal by the other side comes after our own handshake is over: it is then thrown by the first
    /// ``Connection/next()``.
    ///
    /// - Parameter admits: the roles that the other side may have.
    /// - Throws: ``ConnectionError``, which names the address, where nobody answers there; ``TLSError`` where the other
    ///   side is not to be trusted.
    public static func connect(
        host: String,
        port: Int,
        identity: Identity,
        admits roles: Set<Role> = [.coordinator],
        limits: ConnectionLimits = ConnectionLimits()
    ) async throws -> Connection {
        let context = try TLSContext.member(identity, admits: roles)
        let (stream, handshake) = try await self.open(host: host, port: port, context: context, limits: limits)
        guard let peer = handshake.peer else { preconditionFailure("a member's handshake proved nobody") }
        return Connection(stream, peer: peer)
    }

    /// A socket with TLS and frames on it, once the handshake is over.
    static func open(
        host: String,
        port: Int,
        context: TLSContext,
        limits: ConnectionLimits
    ) async throws -> (stream: FrameStream, handshake: TLSHandshake) {
        let (channel, inbox, handshake): (any Channel, FrameInbox, EventLoopFuture<TLSHandshake>)
        do {
            // Called for each address that the name has; those that do not answer are closed again.
            (channel, inbox, handshake) = try await self.bootstrap(limits).connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.closeOnExec()
                    let inbox = FrameInbox(bytesLimit: limits.inboxBytes)
                    let promise = channel.eventLoop.makePromise(of: TLSHandshake.self)
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(TLSHandler(TLSSession(context), handshakeSeconds: limits.handshakeSeconds))
                    try pipeline.addHandler(FrameHandler(inbox: inbox, limits: limits) { promise.completeWith($0) })
                    return (channel, inbox, promise.futureResult)
                }
            }
        } catch {
            throw ConnectionError(
                "cannot reach \(self.text(host, port)): \(self.reason(error)). Is the coordinator running, and is this "
                    + "its address?"
            )
        }
        let address = channel.remoteAddress.map(FrameStream.text) ?? self.text(host, port)
        let stream = FrameStream(channel, inbox: inbox, address: address)
        return (stream, try await handshake.get())
    }

    private static func bootstrap(_ limits: ConnectionLimits) -> ClientBootstrap {
        ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.nanoseconds(Int64(limits.connectSeconds * 1e9)))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    static func text(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// What NIO's connection errors mean, in a few words.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first { return self.reason(first.error) }
            return "its name cannot be resolved"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout(let time):
            return "no answer after \(Double(time.nanoseconds) / 1e9) s"
        case is SocketAddressError: return "its name cannot be resolved"
        default: return "\(error)"
        }
    }
}
