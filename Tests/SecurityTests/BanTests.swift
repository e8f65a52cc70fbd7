import Coordination
import CoordinatorShell
import Digests
import Sweeps
import TestSupport
import Testing
import Transport
import TransportTestSupport
import Wire

/// Goal: after a ban nothing of the worker is taken, whatever it does (I9).
@Suite(.timeLimit(.minutes(2))) struct BanTests {
    /// Method: a worker with a lease, whose result is whole and waits to be sent.
    @Test func `a ban on a live connection ends it, and what is sent after it is not taken`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .worker, name: "worker-1")
        let connection = try await cluster.connect(identity)
        let grant = try #require(try await connection.grant())
        try await cluster.service.ban("worker-1")
        let result = exampleResult(key: grant.lease.key)
        try? await connection.send(WorkerMessage.report(grant.lease, .finished(result, best: nil)).frame())
        await connection.readToEnd()
        #expect(await cluster.service.snapshot()?.workers == [])
        #expect(await cluster.service.snapshot()?.done == 0)
        #expect(try cluster.store.workers().map(\.state) == [.banned])
        _ = await cluster.log.line(containing: "banned worker worker-1")
        await cluster.stop()
    }

    /// Goal: an older connection, which the coordinator has let go of and its worker has not, is no way around a ban.
    @Test func `every connection of a banned worker ends`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .worker, name: "worker-1")
        let old = try await cluster.connect(identity)
        let new = try await cluster.connect(identity)
        // The coordinator says goodbye on the old one; this side does not.
        while try await old.next() != nil {}
        try await cluster.service.ban("worker-1")
        let banned = ContinuousClock.now
        await old.waitUntilClosed()
        await new.readToEnd()
        // Its silence would end it too, after a minute.
        #expect(ContinuousClock.now - banned < .seconds(30))
        await cluster.stop()
    }

    @Test func `a banned worker is refused when it comes back, also after a restart, and the log says why`()
        async throws
    {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .worker, name: "worker-1")
        let connection = try await cluster.connect(identity)
        try await cluster.service.ban("worker-1")
        await connection.readToEnd()
        #expect(try await cluster.refusal(of: identity)?.contains("worker-1 is banned") == true)
        let line = await cluster.log.line(containing: "refused worker worker-1")
        #expect(line.contains("127.0.0.1") && line.contains("is banned"))
        await cluster.stop()
        try await cluster.restart()
        #expect(try await cluster.refusal(of: identity)?.contains("worker-1 is banned") == true)
        await cluster.stop()
    }

    @Test func `a ban is on the key too, whatever name a certificate gives it`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .worker, name: "worker-1")
        _ = try await cluster.connect(identity)
        try await cluster.service.ban("worker-1")
        let other = try cluster.authority.issue(CertificateRequest(for: identity.key), role: .worker, name: "other")
        let renamed = try Identity(key: identity.key, certificate: other, authority: identity.authority)
        #expect(try await cluster.refusal(of: renamed)?.contains("worker-1 is banned") == true)
        await cluster.stop()
    }

    @Test func `a banned worker's certificate is not renewed, and the log says why`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try await Enrolment.join(cluster.line(), folder: cluster.folder.path)
        try await cluster.service.ban(identity.name)
        let error = await #expect(throws: EnrolmentError.self) {
            try await Enrolment.renew(identity, host: "127.0.0.1", port: cluster.port)
        }
        #expect(error?.description.contains("\(identity.name) is banned") == true)
        _ = await cluster.log.line(containing: "refused to enrol: \(identity.name) is banned")
        await cluster.stop()
    }

    @Test func `a ban voids what is left of the line by which the worker came`() async throws {
        let cluster = try await TestCoordinator()
        let (line, unrelated) = (try cluster.line(uses: 3), try cluster.line())
        let identity = try await Enrolment.join(line, folder: "\(cluster.folder.path)/a")
        try await cluster.service.ban(identity.name)
        let error = await #expect(throws: EnrolmentError.self) {
            try await Enrolment.join(line, folder: "\(cluster.folder.path)/b")
        }
        #expect(error?.description.contains("used up") == true)
        _ = try await Enrolment.join(unrelated, folder: "\(cluster.folder.path)/c")
        await cluster.stop()
    }

    @Test func `approving lets a banned worker back in`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .worker, name: "worker-1")
        _ = try await cluster.connect(identity)
        try await cluster.service.ban("worker-1")
        try cluster.store.approve("worker-1")
        _ = try await cluster.connect(identity)
        await cluster.stop()
    }

    @Test func `a name that nobody has is refused with the nearest that there is`() async throws {
        let cluster = try await TestCoordinator()
        let none = await #expect(throws: StoreError.self) { try await cluster.service.ban("worker-1") }
        #expect(none?.description.contains("none has joined yet") == true)
        _ = try await cluster.connect(try cluster.authority.makeIdentity(role: .worker, name: "worker-1"))
        let error = await #expect(throws: StoreError.self) { try await cluster.service.ban("worker-2") }
        #expect(error?.description.contains("worker-1") == true)
        await cluster.stop()
    }
}
