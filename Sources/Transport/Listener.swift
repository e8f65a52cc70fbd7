public import Logging
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// What bounds a listener and each of its connections.
public struct ListenerLimits: Hashable, Sendable {
    /// How many connections may be open, proved or not.
    public var connections: Int
    /// How many of them may be at their handshake: the rest is for those that have proved themselves.
    public var handshakes: Int
    /// How many of them may come from one address.
    public var connectionsPerAddress: Int
    /// How long one enrolment may take in all.
    public var enrolmentSeconds: Double
    public var connection: ConnectionLimits

    public init(
        connections: Int = 1024,
        handshakes: Int = 512,
        connectionsPerAddress: Int = 256,
        enrolmentSeconds: Double = 20,
        connection: ConnectionLimits = ConnectionLimits()
    ) {
        self.connections = connections
        self.handshakes = handshakes
        self.connectionsPerAddress = connectionsPerAddress
        self.enrolmentSeconds = enrolmentSeconds
        self.connection = connection
    }
}

/// A coordinator's one port.
///
/// Every connection that is refused leaves one line in the log, with the address and the reason.
public final class Listener: Sendable {
    private struct Live {
        var contexts: Contexts
        var isShutDown = false
        var perAddress: [String: Int] = [:]
        var connections = 0
        var handshakes = 0
        var streams: [ObjectIdentifier: Served] = [:]
    }

    /// What connections are made from.
    private struct Contexts {
        var context: TLSContext
        /// While an authority that was replaced is still trusted: what comes after, and when.
        var next: (atSeconds: Int64, context: TLSContext)?

        init(_ identity: Identity, previous: Identity?, _ service: Service) throws(CertificateError) {
            let enrols = service.enrolment != nil
            let sole = try TLSContext.listener(identity, admits: service.roles, enrols: enrols)
            guard let previous else {
                self.context = sole
                return
            }
            self.next = (previous.certificate.validSeconds.upperBound, sole)
            self.context = try TLSContext.listener(
                identity,
                previous: previous,
                admits: service.roles,
                enrols: enrols
            )
        }

        mutating func current(atSeconds now: Int64) -> TLSContext {
            if let next, next.atSeconds <= now {
                self.context = next.context
                self.next = nil
            }
            return self.context
        }
    }

    /// A connection in use, and the task that uses it.
    private struct Served {
        var stream: FrameStream
        /// Nil while a machine enrols.
        var peer: Peer?
        var task: Task<Void, Never>
    }

    private let channel: any Channel
    private let service: Service
    private let live: Shared

    /// Opens the port.
    ///
    /// - Parameters:
    ///   - port: 0 lets the system choose; see ``port``.
    ///   - previous: this coordinator's identity of an authority that was replaced. Until its certificate ends that
    ///     authority is trusted too, and those that know only that one are shown this identity.
    ///   - admits: the roles that may connect.
    ///   - enrol: how to answer machines that have no certificate yet; without it they are refused.
    ///   - now: seconds since 1970, for the end of `previous`.
    ///   - onConnection: runs in a task of its own for each connection that has proved itself, and the connection is
    ///     closed when it returns.
    /// - Throws: ``ConnectionError`` where the port cannot be had, ``CertificateError`` where the identity is unusable.
    public static func start(
        host: String,
        port: Int,
        identity: Identity,
        previous: Identity? = nil,
        admits roles: Set<Role> = [.worker, .operator],
        limits: ListenerLimits = ListenerLimits(),
        logger: Logger,
        enrol: EnrolmentService? = nil,
        now: @escaping @Sendable () -> Int64 = currentSeconds,
        onConnection: @escaping @Sendable (Connection) async -> Void
    ) async throws -> Listener {
        let service = Service(
            roles: roles,
            limits: limits,
            logger: logger,
            enrolment: enrol,
            now: now,
            onConnection: onConnection
        )
        let live = Shared(try Contexts(identity, previous: previous, service))
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.closeOnExec() }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.closeOnExec()
                    try Self.accept(channel, service, live)
                }
            }
        do {
            let channel = try await bootstrap.bind(host: host, port: port).get()
            return Listener(channel: channel, service: service, live: live)
        } catch {
            throw ConnectionError(self.explain(error, host, port))
        }
    }

    private init(channel: any Channel, service: Service, live: Shared) {
        self.channel = channel
        self.service = service
        self.live = live
    }

    deinit { self.channel.close(promise: nil) }

    /// The port that it listens on.
    public var port: Int { self.channel.localAddress?.port ?? 0 }

    /// Connections from now on see this identity; those that are open keep the old one.
    public func replaceIdentity(_ identity: Identity, previous: Identity? = nil) throws(CertificateError) {
        let contexts = try Contexts(identity, previous: previous, self.service)
        self.live.state.withLock { $0.contexts = contexts }
    }

    /// How many connections are open, proved or not.
    public var connectionCount: Int { self.live.state.withLock { $0.connections } }

    /// Closes every connection of these peers at once.
    ///
    /// A connection that has proved itself is either closed here or starts to be used only afterwards: whoever turns a
    /// peer away from now on in `onConnection` misses none.
    public func disconnect(where isMeant: (Peer) -> Bool) {
        let meant = self.live.state.withLock { state in
            state.streams.values.filter { $0.peer.map(isMeant) ?? false }
        }
        for one in meant { one.stream.close() }
    }

    /// Stops listening, closes every connection, and waits until the work on each has returned.
    public func shutdown() async {
        try? await self.channel.close()
        let served = self.live.state.withLock { state in
            state.isShutDown = true
            return Array(state.streams.values)
        }
        for one in served { one.stream.close() }
        for one in served { await one.task.value }
    }

    static func explain(_ error: any Error, _ host: String, _ port: Int) -> String {
        let address = Dialer.text(host, port)
        guard let error = error as? IOError else { return "cannot listen on \(address): \(Dialer.reason(error))" }
        switch error.errnoCode {
        case EADDRINUSE:
            return "port \(port) of \(host) is already in use: stop the program that uses it, or choose another port"
        case EACCES:
            return "port \(port) of \(host) may only be used by root: choose one above 1023"
        case EADDRNOTAVAIL:
            return "this machine has no address \(host): choose one of its own, or 0.0.0.0 for all"
        default: return "cannot listen on \(address): \(Dialer.reason(error))"
        }
    }
}

// MARK: - One connection

extension Listener {
    private struct Service: Sendable {
        var roles: Set<Role>
        var limits: ListenerLimits
        var logger: Logger
        var enrolment: EnrolmentService?
        var now: @Sendable () -> Int64
        var onConnection: @Sendable (Connection) async -> Void
    }

    private final class Shared: Sendable {
        let state: Mutex<Live>

        init(_ contexts: Contexts) { self.state = Mutex(Live(contexts: contexts)) }
    }

    /// Counts a connection that has just come, and puts TLS and frames on it.
    private static func accept(_ channel: any Channel, _ service: Service, _ live: Shared) throws {
        let address = channel.remoteAddress.map(FrameStream.text) ?? "an unknown address"
        let host = channel.remoteAddress?.ipAddress ?? "unknown"
        let context: TLSContext
        do {
            context = try self.admit(host, service, live)
        } catch {
            service.logger.notice("refused \(address): \(error)")
            throw error
        }
        // Both on the channel's event loop.
        let isProved = NIOLoopBoundBox(false, eventLoop: channel.eventLoop)
        channel.closeFuture.whenComplete { _ in
            live.state.withLock { state in
                state.connections -= 1
                if !isProved.value { state.handshakes -= 1 }
                state.perAddress[host, default: 1] -= 1
                if state.perAddress[host] == 0 { state.perAddress[host] = nil }
            }
        }
        let limits = service.limits.connection
        let inbox = FrameInbox(bytesLimit: limits.inboxBytes)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(TLSHandler(TLSSession(context), handshakeSeconds: limits.handshakeSeconds))
        try pipeline.addHandler(
            FrameHandler(inbox: inbox, limits: limits) { result in
                switch result {
                case .success(let handshake):
                    isProved.value = true
                    live.state.withLock { $0.handshakes -= 1 }
                    self.serve(FrameStream(channel, inbox: inbox, address: address), handshake, service, live)
                case .failure(let error): service.logger.notice("refused \(address): \(error)")
                }
            }
        )
    }

    private static func admit(
        _ host: String,
        _ service: Service,
        _ live: Shared
    ) throws(ConnectionError) -> TLSContext {
        let limits = service.limits
        let verdict = live.state.withLock { state -> Result<TLSContext, ConnectionError> in
            if state.isShutDown { return .failure(ConnectionError("this listener is shutting down")) }
            if state.connections >= limits.connections {
                return .failure(ConnectionError("there are \(state.connections) connections, and that is the limit"))
            }
            if state.handshakes >= limits.handshakes {
                let count = state.handshakes
                return .failure(ConnectionError("there are \(count) connections at their handshake: that is the limit"))
            }
            let count = state.perAddress[host, default: 0]
            if count >= limits.connectionsPerAddress {
                return .failure(
                    ConnectionError("there are \(count) connections from \(host), and that is the limit")
                )
            }
            state.connections += 1
            state.handshakes += 1
            state.perAddress[host] = count + 1
            return .success(state.contexts.current(atSeconds: service.now()))
        }
        return try verdict.get()
    }

    /// Starts the task that uses a connection whose handshake is over.
    private static func serve(_ stream: FrameStream, _ handshake: TLSHandshake, _ service: Service, _ live: Shared) {
        let id = ObjectIdentifier(stream)
        live.state.withLock { state in
            guard !state.isShutDown else { return stream.close() }
            let task = Task {
                if let peer = handshake.peer {
                    await self.use(Connection(stream, peer: peer), service)
                } else {
                    await self.enrol(stream, service)
                }
                live.state.withLock { _ = $0.streams.removeValue(forKey: id) }
            }
            state.streams[id] = Served(stream: stream, peer: handshake.peer, task: task)
        }
    }

    private static func use(_ connection: Connection, _ service: Service) async {
        await service.onConnection(connection)
        connection.close()
        await connection.waitUntilClosed()
        if let failure = connection.stream.failure {
            service.logger.notice("the connection of \(connection) ended: \(failure)")
        } else {
            service.logger.debug("the connection of \(connection) ended")
        }
    }

    private static func enrol(_ stream: FrameStream, _ service: Service) async {
        guard let enrolment = service.enrolment else { preconditionFailure("an enrolment that was not offered") }
        let seconds = service.limits.enrolmentSeconds
        let watchdog = Task {
            try await Task.sleep(for: .seconds(seconds))
            stream.close()
        }
        defer {
            watchdog.cancel()
            stream.close()
        }
        do {
            let outcome = try await Enrolment.serve(stream, with: enrolment)
            service.logger.notice("\(stream.address): \(outcome)")
        } catch {
            service.logger.notice("\(stream.address): could not enrol: \(error)")
        }
    }
}
