internal import Synchronization
public import Transport
internal import Wire

/// An authority with one identity of each role, and listeners on loopback.
public struct Cluster: Sendable {
    public let authority: CertificateAuthority
    public let coordinator: Identity
    public let worker: Identity
    public let operatorIdentity: Identity
    public let log = LogLines()

    public init() throws {
        self.authority = try CertificateAuthority()
        self.coordinator = try self.authority.makeIdentity(role: .coordinator, name: "coordinator")
        self.worker = try self.authority.makeIdentity(role: .worker, name: "worker-1")
        self.operatorIdentity = try self.authority.makeIdentity(role: .operator, name: "alice")
    }

    public func listen(
        as identity: Identity? = nil,
        previous: Identity? = nil,
        limits: ListenerLimits = ListenerLimits(),
        enrol: EnrolmentService? = nil,
        now: @escaping @Sendable () -> Int64 = currentSeconds,
        onConnection: @escaping @Sendable (Connection) async -> Void
    ) async throws -> Listener {
        try await Listener.start(
            host: "127.0.0.1",
            port: 0,
            identity: identity ?? self.coordinator,
            previous: previous,
            limits: limits,
            logger: self.log.logger,
            enrol: enrol,
            now: now,
            onConnection: onConnection
        )
    }

    /// A listener that sends every frame back, and finishes when the other side does.
    public func listenAndEcho(
        as identity: Identity? = nil,
        previous: Identity? = nil,
        limits: ListenerLimits = ListenerLimits(),
        enrol: EnrolmentService? = nil,
        now: @escaping @Sendable () -> Int64 = currentSeconds
    ) async throws -> Listener {
        try await self.listen(as: identity, previous: previous, limits: limits, enrol: enrol, now: now) { connection in
            do {
                for try await frame in connection.frames { try await connection.send(frame) }
                try await connection.finish()
                await connection.waitUntilClosed()
            } catch {}
        }
    }

    public func dial(_ listener: Listener, as identity: Identity? = nil, limits: ConnectionLimits = ConnectionLimits())
        async throws -> Connection
    {
        try await Dialer.connect(
            host: "127.0.0.1",
            port: listener.port,
            identity: identity ?? self.worker,
            limits: limits
        )
    }
}

/// Something that one task says and another waits for.
public final class Signal<Value: Sendable>: Sendable {
    public init() {}

    private struct State {
        var value: Value?
        var waiters: [CheckedContinuation<Value, Never>] = []
    }

    private let state = Mutex(State())

    public func send(_ value: Value) {
        let waiters = self.state.withLock { state in
            if state.value == nil { state.value = value }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    public func wait() async -> Value {
        await withCheckedContinuation { continuation in
            let value = self.state.withLock { state -> Value? in
                if state.value == nil { state.waiters.append(continuation) }
                return state.value
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
