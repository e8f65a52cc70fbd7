public import Coordination
public import Files
internal import Foundation
internal import Transport
public import Wire

/// Where a coordinator that runs on this machine is reached: a file of its state folder.
struct CoordinatorAddress: Hashable, Sendable {
    var host: String
    var port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// What a coordinator has written; nil where there is none, or it is no address.
    init?(_ state: StateFolder) {
        guard let data = FileManager.default.contents(atPath: state.addressFile), data.count <= Self.bytesLimit,
            let text = String(data: data, encoding: .utf8), let space = text.firstIndex(of: " "),
            let port = Int(text[text.index(after: space)...].filter { !$0.isNewline })
        else { return nil }
        self.init(host: String(text[..<space]), port: port)
    }

    private static let bytesLimit = 512

    func save(_ state: StateFolder) throws(StorageError) {
        try DurableFile.write(Array("\(self.host) \(self.port)\n".utf8), to: state.addressFile)
    }

    static func remove(_ state: StateFolder) { unlink(state.addressFile) }

    /// For processes on this machine: an address that stands for all of its own is replaced by the loopback's.
    var localHost: String {
        switch self.host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: self.host
        }
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

/// A connection to a coordinator that runs, as an operator: with a certificate made for it from the state folder's
/// authority, which whoever may read that folder can do.
public struct OperatorClient: Sendable {
    private let connection: Connection

    /// How long an operator's certificate lasts.
    private static let certificateSeconds: Int64 = 300

    init(_ state: StateFolder, version: String) async throws {
        guard let address = CoordinatorAddress(state) else {
            throw StateFolderError(
                "the state folder \(state.path) is in use, but its coordinator has not opened its port; try again"
            )
        }
        let identity = try CertificateAuthority(folder: state.authority)
            .makeIdentity(role: .operator, name: "operator", validSeconds: Self.certificateSeconds)
        self.connection = try await Dialer.connect(host: address.localHost, port: address.port, identity: identity)
        guard case .welcome = try await self.ask(.hello(OperatorHello(version: version))) else {
            throw MessageError.unexpected("the coordinator's first message is no welcome")
        }
    }

    /// - Throws: ``OperatorRefusal`` where the coordinator did not do it.
    @discardableResult
    func ask(_ request: OperatorRequest) async throws -> OperatorReply {
        try await self.connection.send(request.frame())
        guard let frame = try await self.connection.next() else {
            throw OperatorRefusal(description: "the coordinator hung up")
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

    func workers() async throws -> [WorkerRecord] {
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
