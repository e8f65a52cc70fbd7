public import Coordination
public import Files
internal import Foundation
internal import Transport
public import Wire

/// Where the coordinator of a state folder is reached: a file of that folder, which may lie on several machines.
struct CoordinatorAddress: Hashable, Sendable {
    /// As it listens.
    var host: String
    var port: Int
    /// Its machine's name, and how others reach it.
    var machine: String
    var reachableHost: String
    var reachablePort: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
        self.machine = FolderLock.machine
        self.reachableHost = MachineAddress.reachable(host)
        self.reachablePort = port
    }

    /// What a coordinator has written; nil where there is none, or it is no address.
    init?(_ state: StateFolder) {
        guard let bytes = try? DurableFile.read(state.addressFile, bytesLimit: Self.bytesLimit) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        guard words.count == 5, let port = Int(words[1]), let reachablePort = Int(words[4]) else { return nil }
        (self.host, self.port, self.machine) = (words[0], port, words[2])
        (self.reachableHost, self.reachablePort) = (words[3], reachablePort)
    }

    private static let bytesLimit = 1024

    func save(_ state: StateFolder) throws(StorageError) {
        let text = "\(self.host) \(self.port) \(self.machine) \(self.reachableHost) \(self.reachablePort)\n"
        try DurableFile.write(Array(text.utf8), to: state.addressFile)
    }

    static func remove(_ state: StateFolder) { unlink(state.addressFile) }

    /// Whether the coordinator runs on the machine that asks.
    var isHere: Bool { self.machine == FolderLock.machine }

    /// For the machine that asks.
    ///
    /// - Throws: ``OperatorRefusal`` where it is another one than the coordinator's, which listens to its own alone.
    func fromHere() throws(OperatorRefusal) -> (host: String, port: Int) {
        if self.isHere { return (MachineAddress.local(self.host), self.port) }
        guard self.reachableHost != self.host || !MachineAddress.isLoopback(self.host) else {
            throw OperatorRefusal(
                description: "the coordinator runs on \(self.machine) and is reached from there alone (\(self.host)); "
                    + "run this on \(self.machine), or start the coordinator with --listen 0.0.0.0:0"
            )
        }
        return (self.reachableHost, self.reachablePort)
    }
}

/// A person's way to a coordinator's list of workers: through the coordinator where one runs, else in its store.
public enum CoordinatorAccess: Sendable {
    case running(OperatorClient)
    /// The folder is this process's meanwhile.
    case stopped(Store, FolderLock)

    /// - Throws: ``StoreError`` where the folder has no store; ``StateFolderError`` where its coordinator has not opened
    ///   its port; errors of `Transport` where it cannot be reached.
    public init(_ state: StateFolder, version: String) async throws {
        try state.requireStore()
        if let lock = try state.lockIfFree() {
            self = .stopped(try Store(writing: state.database), lock)
        } else {
            self = .running(try await OperatorClient(state, version: version))
        }
    }

    /// The coordinator that runs on the folder; `nil` where none does.
    ///
    /// - Throws: as ``init(_:version:)``.
    public static func running(_ state: StateFolder, version: String) async throws -> OperatorClient? {
        try state.requireStore()
        guard try state.lockIfFree() == nil else { return nil }
        return try await OperatorClient(state, version: version)
    }

    /// The coordinator of the folder, without a look at its lock: one that starts at this moment is not kept from it.
    ///
    /// - Parameter seconds: how long each answer may take.
    /// - Throws: ``StateFolderError`` where none has opened its port; errors of `Transport` where it does not answer.
    public static func dial(
        _ state: StateFolder,
        version: String,
        withinSeconds seconds: Double
    ) async throws -> OperatorClient {
        let limits = ConnectionLimits(connectSeconds: seconds, handshakeSeconds: seconds, idleSeconds: seconds)
        return try await OperatorClient(state, version: version, limits: limits)
    }

    public func workers() async throws -> [WorkerRecord] {
        switch self {
        case .running(let client): try await client.workers()
        case .stopped(let store, _): try store.workers()
        }
    }

    /// Sends what only a coordinator that runs can do.
    ///
    /// - Returns: its lines for a person.
    /// - Throws: ``StateFolderError`` where none runs.
    @discardableResult
    public func ask(_ request: OperatorRequest, ofFolder path: String) async throws -> [String] {
        guard case .running(let client) = self else {
            throw StateFolderError("no coordinator runs on \(path); start one with quintet coordinator")
        }
        return try await client.lines(request)
    }

    /// Changes a sweep's terms, with a coordinator or without one.
    public func change(_ change: SweepChange) async throws {
        switch self {
        case .running(let client): try await client.ask(.change(change))
        case .stopped(let store, _):
            let terms = try change.applied(to: try store.sweep(named: change.sweep).terms)
            try store.apply([.sweep(terms)])
        }
    }

    /// Gives the shards of a sweep that were given up all their tries again, with a coordinator or without one.
    ///
    /// - Returns: lines for a person.
    public func retry(sweep: String) async throws -> [String] {
        switch self {
        case .running(let client): return try await client.lines(.retry(sweep: sweep))
        case .stopped(let store, _):
            let count = try store.retry([.failed, .quarantined], of: try store.sweep(named: sweep).name)
            return ["\(count) shards are tried again"]
        }
    }

    /// See ``Store/approve(_:)``.
    public func approve(_ worker: WorkerName) async throws {
        switch self {
        case .running(let client): try await client.ask(.approve(worker: worker))
        case .stopped(let store, _): try store.approve(worker)
        }
    }

    /// See ``Store/ban(_:)`` and ``CoordinatorService/ban(_:)``.
    public func ban(_ worker: WorkerName) async throws {
        switch self {
        case .running(let client): try await client.ask(.ban(worker: worker))
        case .stopped(let store, _): try store.ban(worker)
        }
    }
}

extension Store {
    /// Opens a folder's store for reading. Where its coordinator runs on another machine, that one copies it first: an
    /// SQLite file that is written on one machine cannot be read on another meanwhile.
    ///
    /// - Throws: ``StoreError``; ``StateFolderError`` where that coordinator has not opened its port yet;
    ///   ``OperatorRefusal`` where it does not copy it; errors of `Transport` where it cannot be reached.
    public static func reading(_ state: StateFolder, version: String) async throws -> Store {
        try state.requireStore()
        let address = CoordinatorAddress(state)
        let holder = state.holder
        let isElsewhere = !(address?.isHere ?? holder?.isHere ?? true)
        guard isElsewhere, try state.lockIfFree() == nil else { return try Store(reading: state.database) }
        if address == nil, let machine = holder?.machine {
            throw StateFolderError("the coordinator on \(machine) is starting; try again")
        }
        let coordinator = try await OperatorClient(state, version: version)
        guard let name = try await coordinator.lines(.copyStore).first, !name.contains("/") else {
            throw MessageError.unexpected("the coordinator does not say where its store's copy is")
        }
        defer { unlink("\(state.path)/\(name)") }
        return try Store(reading: "\(state.path)/\(name)")
    }
}

/// A connection to a coordinator that runs, as an operator: with a certificate made for it from the state folder's
/// authority, which whoever may read that folder can do.
public struct OperatorClient: Sendable {
    private let connection: Connection

    /// How long an operator's certificate lasts.
    private static let certificateSeconds: Int64 = 300

    init(_ state: StateFolder, version: String, limits: ConnectionLimits = ConnectionLimits()) async throws {
        guard let address = CoordinatorAddress(state) else {
            throw StateFolderError(
                "no coordinator has opened its port for the state folder \(state.path); start one, or try again"
            )
        }
        let (host, port) = try address.fromHere()
        let identity = try CertificateAuthority(folder: state.authority)
            .makeIdentity(role: .operator, name: "operator", validSeconds: Self.certificateSeconds)
        self.connection = try await Dialer.connect(
            host: host,
            port: port,
            identity: identity,
            limits: limits
        )
        guard case .welcome = try await self.ask(.hello(OperatorHello(version: version))) else {
            throw MessageError.unexpected("the coordinator's first message is no welcome")
        }
    }

    /// - Throws: ``OperatorRefusal`` where the coordinator did not do it; ``MessageError`` where it hung up.
    @discardableResult
    func ask(_ request: OperatorRequest) async throws -> OperatorReply {
        try await self.connection.send(request.frame())
        guard let frame = try await self.connection.next() else {
            throw MessageError.unexpected("the coordinator hung up")
        }
        let reply = try OperatorReply(frame)
        if case .refused(let reason) = reply { throw OperatorRefusal(description: reason) }
        return reply
    }

    /// What the coordinator answers to a person; none where it only says that it is done.
    public func lines(_ request: OperatorRequest) async throws -> [String] {
        guard case .text(let lines) = try await self.ask(request) else { return [] }
        return lines
    }

    /// Where a sweep stands.
    ///
    /// - Throws: ``OperatorRefusal`` where the coordinator does not work on it; ``MessageError`` where it has stopped.
    public func snapshot(of sweep: String) async throws -> CoordinatorSnapshot {
        guard case .snapshot(let snapshot) = try await self.ask(.snapshot(sweep: sweep)) else {
            throw MessageError.unexpected("the coordinator answers with another message than where it stands")
        }
        return snapshot
    }

    public func workers() async throws -> [WorkerRecord] {
        var workers: [WorkerRecord] = []
        while true {
            guard case .workers(let more) = try await self.ask(.workers(after: workers.last?.name ?? "")) else {
                throw MessageError.unexpected("the coordinator answers with another message than the list of workers")
            }
            workers += more
            if more.count < OperatorRequest.workersLimit { return workers }
        }
    }
}

/// What an operator asked for was not done, and why.
public struct OperatorRefusal: Error, Hashable, CustomStringConvertible {
    public let description: String
}
