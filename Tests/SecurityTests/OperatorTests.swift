import Coordination
import CoordinatorShell
import Foundation
import Testing
import Transport
import TransportTestSupport
import Wire

/// A person's commands, and that neither they nor workers can do what the other may.
@Suite(.timeLimit(.minutes(2))) struct OperatorTests {
    @Test func `commands reach the coordinator that runs, by an address only its owner can read`() async throws {
        let cluster = try await TestCoordinator(policy: EnrolmentPolicy(approval: .byHand))
        let address = "\(cluster.state.path)/address"
        let mode = try FileManager.default.attributesOfItem(atPath: address)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let identity = try cluster.authority.makeIdentity(role: .worker, name: "worker-1")
        let connection = try await cluster.connect(identity)
        _ = try await connection.grant()
        let access = try await CoordinatorAccess(cluster.state, version: "test")
        guard case .running = access else {
            Issue.record("the store was taken from a coordinator that runs")
            return
        }
        let worker = try #require(try await access.workers().first)
        #expect(worker.name == "worker-1" && worker.state == .active && worker.isConnected == true)
        #expect(worker.keyDigest == identity.key.publicKeyDigest)
        #expect(worker.certificateEndSeconds == identity.certificate.validSeconds.upperBound)
        try await access.ban("worker-1")
        await connection.readToEnd()
        #expect(try await access.workers().map(\.state) == [.banned])
        try await access.approve("worker-1")
        #expect(try await access.workers().map(\.state) == [.active])
        let refusal = await #expect(throws: OperatorRefusal.self) { try await access.ban("worker-2") }
        #expect(refusal?.description.contains("worker-1") == true)
        await cluster.stop()
        #expect(!FileManager.default.fileExists(atPath: address))
    }

    @Test func `a coordinator that starts removes copies of the store that nobody came for`() async throws {
        let cluster = try await TestCoordinator()
        await cluster.stop()
        let copy = "\(cluster.state.path)/copy-1.sqlite"
        try Data("left".utf8).write(to: URL(filePath: copy))
        try await cluster.restart()
        #expect(!FileManager.default.fileExists(atPath: copy))
        #expect(FileManager.default.fileExists(atPath: cluster.state.database))
        await cluster.stop()
    }

    /// Goal: whoever follows a sweep learns that it was cancelled, or that nobody works on it.
    @Test func `a snapshot says how a sweep stands, and one that is not served is refused`() async throws {
        let cluster = try await TestCoordinator()
        let client = try await CoordinatorAccess.dial(cluster.state, version: "test", withinSeconds: 60)
        #expect(try await client.snapshot(of: "test").standing == .active)
        let access = try await CoordinatorAccess(cluster.state, version: "test")
        try await access.change(SweepChange(sweep: "test", standing: .cancelled))
        #expect(try await client.snapshot(of: "test").standing == .cancelled)
        let other = StoredSweep(name: "other", definition: "", launchedSeconds: 2)
        _ = try cluster.store.submit(other, shards: [cluster.shard], folders: [])
        let refusal = await #expect(throws: OperatorRefusal.self) { try await client.snapshot(of: "other") }
        #expect(refusal?.description.contains("does not work on other") == true)
        await cluster.stop()
    }

    @Test func `without a coordinator commands work on the store`() async throws {
        let folder = TemporaryFolder()
        let state = StateFolder(folder.path)
        await #expect(throws: StoreError.self) { try await CoordinatorAccess(state, version: "test") }
        let identity = try CertificateAuthority().makeIdentity(role: .worker, name: "worker-1")
        let peer = Peer(
            role: .worker,
            name: "worker-1",
            keyDigest: identity.key.publicKeyDigest,
            certificateEndSeconds: 1000
        )
        #expect(try Store(writing: state.database).objection(to: peer, atSeconds: 1) == nil)
        let access = try await CoordinatorAccess(state, version: "test")
        try await access.ban("worker-1")
        #expect(try await access.workers().map(\.state) == [.banned])
        #expect(try Store(reading: state.database).workers().map(\.isConnected) == [nil])
    }

    @Test func `an operator's certificate is no worker's`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .operator, name: "worker-1")
        await #expect(throws: (any Error).self) {
            guard case .some = try await cluster.hello(identity).1 as CoordinatorMessage? else { return }
        }
        let line = await cluster.log.line(containing: "cut off operator worker-1")
        #expect(line.contains("a frame of kind 1 is no message of an operator"))
        #expect(await cluster.service.snapshot()?.workers == [])
        #expect(try cluster.store.workers().isEmpty)
        await #expect(throws: EnrolmentError.self) {
            try await Enrolment.renew(identity, host: "127.0.0.1", port: cluster.port)
        }
        await cluster.stop()
    }

    @Test func `a worker's certificate is no operator's, neither at first nor later`() async throws {
        let cluster = try await TestCoordinator()
        let victim = try cluster.authority.makeIdentity(role: .worker, name: "victim")
        let victimConnection = try await cluster.connect(victim)
        let attacker = try cluster.authority.makeIdentity(role: .worker, name: "attacker")
        let first = try await cluster.dial(attacker)
        try await first.send(OperatorRequest.hello(OperatorHello(version: "t")).frame())
        await first.readToEnd()
        let second = try await cluster.connect(attacker)
        try await second.send(OperatorRequest.ban(worker: "victim").frame())
        await second.readToEnd()
        _ = await cluster.log.line(containing: "a frame of kind 64 is no message of a worker")
        _ = await cluster.log.line(containing: "a frame of kind 67 is no message of a worker")
        #expect(try cluster.state(of: "victim") == .active)
        try await victimConnection.send(WorkerMessage.heartbeat(holding: []).frame())
        await cluster.stop()
    }

    @Test func `before its hello an operator is told nothing`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .operator, name: "alice")
        let connection = try await cluster.dial(identity)
        try await connection.send(OperatorRequest.workers(after: "").frame())
        #expect(try await connection.next() == nil)
        _ = await cluster.log.line(containing: "its first message is no hello")
        await cluster.stop()
    }
}
