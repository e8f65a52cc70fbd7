import Coordination
import CoordinatorShell
import Digests
import Files
import Sweeps
import Transport
import TransportTestSupport
import Wire

/// A real coordinator on loopback, with a sweep of one shard.
final class TestCoordinator {
    let folder = TemporaryFolder()
    let log = LogLines()
    let state: StateFolder
    let authority: CertificateAuthority
    let store: Store
    let shard: Shard
    private let sweep: StoredSweep
    private let lock: FolderLock
    private let policy: EnrolmentPolicy
    private(set) var service: CoordinatorService
    private(set) var port = 0

    init(policy: EnrolmentPolicy = EnrolmentPolicy()) async throws {
        self.policy = policy
        self.state = StateFolder("\(self.folder.path)/state")
        self.lock = try self.state.lock()
        self.authority = try CertificateAuthority(folder: self.state.authority)
        self.store = try Store(writing: self.state.database)
        let manifest = try FolderManifest(files: [.init(name: "weights", bytes: 1, digest: SHA256.hash("x"))])
        let grid = "sweep: test\nbackbone: tiny\ntasks: [rte]\nmethods: [full]\nseeds: 1\n"
        let planned = try SweepDefinition(yaml: grid, file: "test").shards()[0]
        self.shard = try planned.shard(backbone: manifest.digest, data: manifest.digest)
        self.sweep = StoredSweep(name: "test", definition: grid, launchedSeconds: 1)
        let inputs = StoredFolder(path: self.folder.path, manifest: manifest)
        _ = try self.store.submit(self.sweep, shards: [self.shard], folders: [inputs])
        self.service = try Self.service(self.state, self.store, self.authority, self.sweep, self.log, policy)
        self.port = try await self.service.start(host: "127.0.0.1", port: 0)
    }

    private static func service(
        _ state: StateFolder,
        _ store: Store,
        _ authority: CertificateAuthority,
        _ sweep: StoredSweep,
        _ log: LogLines,
        _ policy: EnrolmentPolicy
    ) throws -> CoordinatorService {
        try CoordinatorService(
            state: state,
            store: store,
            authority: authority,
            sweeps: [sweep],
            version: "test",
            logger: log.logger,
            policy: policy
        )
    }

    func stop() async { await self.service.shutdown() }

    /// Starts another one on the same store and port, after a ``stop()``; with the authority that the folder has now.
    func restart() async throws {
        let authority = try CertificateAuthority(folder: self.state.authority)
        self.service = try Self.service(self.state, self.store, authority, self.sweep, self.log, self.policy)
        self.port = try await self.service.start(host: "127.0.0.1", port: self.port)
    }

    func dial(_ identity: Identity) async throws -> Connection {
        try await Dialer.connect(host: "127.0.0.1", port: self.port, identity: identity)
    }

    /// What the coordinator answers to a worker's first message, and the connection.
    func hello(_ identity: Identity) async throws -> (Connection, CoordinatorMessage) {
        let connection = try await self.dial(identity)
        let hello = Hello(version: "t", host: "h", slots: 1, threads: 1, cores: 1, memoryBytes: 1 << 40, holding: [])
        try await connection.send(WorkerMessage.hello(hello).frame())
        guard let frame = try await connection.next() else { throw MessageError.unexpected("no answer to a hello") }
        return (connection, try CoordinatorMessage(frame))
    }

    /// A worker that is let in.
    func connect(_ identity: Identity) async throws -> Connection {
        let (connection, answer) = try await self.hello(identity)
        guard case .welcome = answer else { throw MessageError.unexpected("\(answer)") }
        return connection
    }

    /// Why a worker is not let in.
    func refusal(of identity: Identity) async throws -> String? {
        guard case .refused(let reason) = try await self.hello(identity).1 else { return nil }
        return reason
    }

    /// A line for so many machines.
    func line(uses: Int = 1, validSeconds: Int64 = 3600) throws -> JoinLine {
        try self.service.joinLine(host: "127.0.0.1", port: self.port, uses: uses, validSeconds: validSeconds)
    }

    func state(of worker: String) throws -> WorkerRecord.State? {
        try self.store.workers().first { $0.name == worker }?.state
    }
}

extension Connection {
    /// The next grant, heartbeats and the like left out.
    func grant() async throws -> Grant? {
        while let frame = try await self.next() {
            if case .grant(let grant) = try CoordinatorMessage(frame) { return grant }
        }
        return nil
    }

    /// Reads until the other side ends the connection, however it does.
    func readToEnd() async {
        while (try? await self.next()) != nil {}
        await self.waitUntilClosed()
    }
}
