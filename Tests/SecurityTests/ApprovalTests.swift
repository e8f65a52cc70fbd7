import Coordination
import CoordinatorShell
import Foundation
import Testing
import Transport
import TransportTestSupport
import Wire

/// Joining with the real store: tokens, their ends, and a person's approval.
@Suite(.timeLimit(.minutes(2))) struct ApprovalTests {
    /// Method: what a person does happens in the machine's pauses.
    @Test func `a machine waits for approval, over the coordinator's restart too, and is then let in`() async throws {
        let cluster = try await TestCoordinator(policy: EnrolmentPolicy(approval: .byHand))
        let line = try cluster.line()
        let folder = "\(cluster.folder.path)/machine"
        let script = PauseScript(cluster)
        let identity = try await Enrolment.join(line, folder: folder) { tries in
            try await script.pause(tries)
        } onWaiting: { name in
            script.names.send(name)
        }
        #expect(await script.names.wait() == identity.name)
        _ = await cluster.log.line(containing: "waits to be approved of: quintet approve \(identity.name)")
        _ = try await cluster.connect(identity)
        // One use was enough for all its requests, and no other key has one.
        await #expect(throws: EnrolmentError.self) {
            try await Enrolment.join(line, folder: "\(cluster.folder.path)/other")
        }
        await cluster.stop()
    }

    /// What happens while a machine waits: nothing, the coordinator goes, it comes back, the machine is approved of.
    private final class PauseScript: @unchecked Sendable {
        let names = Signal<String>()
        private let cluster: TestCoordinator

        init(_ cluster: TestCoordinator) { self.cluster = cluster }

        func pause(_ tries: Int) async throws {
            switch tries {
            case 1: #expect(try self.cluster.store.workers().map(\.state) == [.waiting])
            case 2: await self.cluster.stop()
            case 3: try await self.cluster.restart()
            case 4: try self.cluster.store.approve(await self.names.wait())
            default: Issue.record("it still waits after \(tries) tries")
            }
        }
    }

    @Test func `a machine that waits and is banned is told so`() async throws {
        let cluster = try await TestCoordinator(policy: EnrolmentPolicy(approval: .byHand))
        let (store, line) = (cluster.store, try cluster.line())
        let error = await #expect(throws: EnrolmentError.self) {
            try await Enrolment.join(line, folder: "\(cluster.folder.path)/machine") { _ in
                try store.ban(try store.workers()[0].name)
            }
        }
        #expect(error?.description.contains("is banned") == true)
        await cluster.stop()
    }

    @Test func `a certificate made for a machine that waits lets nobody in`() async throws {
        let cluster = try await TestCoordinator(policy: EnrolmentPolicy(approval: .byHand))
        let key = try PrivateKey()
        let token = JoinToken()
        try cluster.store.addJoinToken(token, uses: 1, validUntilSeconds: .max)
        let decision = try cluster.store.decide(
            EnrolmentRequest(tokenDigest: token.digest, keyDigest: key.publicKeyDigest, address: "a"),
            policy: EnrolmentPolicy(approval: .byHand),
            atSeconds: 1
        )
        guard case .wait(let name) = decision else {
            Issue.record("\(decision)")
            return
        }
        let certificate = try cluster.authority.issue(CertificateRequest(for: key), role: .worker, name: name)
        let identity = try Identity(key: key, certificate: certificate, authority: cluster.authority.certificate)
        #expect(try await cluster.refusal(of: identity)?.contains("waits to be approved of") == true)
        await cluster.stop()
    }

    @Test func `a token lets in nobody after its lifetime`() async throws {
        let cluster = try await TestCoordinator()
        let line = try cluster.line(validSeconds: -1)
        let error = await #expect(throws: EnrolmentError.self) {
            try await Enrolment.join(line, folder: cluster.folder.path)
        }
        #expect(error?.description.contains("its token has expired") == true)
        _ = await cluster.log.line(containing: "refused to enrol: its token has expired")
        await cluster.stop()
    }

    @Test func `no secret is logged, and every key's file is its owner's alone`() async throws {
        let cluster = try await TestCoordinator(policy: EnrolmentPolicy(approval: .byHand))
        let (store, line) = (cluster.store, try cluster.line(uses: 2))
        let folder = "\(cluster.folder.path)/machine"
        let identity = try await Enrolment.join(line, folder: folder) { _ in
            try store.approve(try store.workers()[0].name)
        }
        _ = try await cluster.connect(identity)
        _ = try? await Enrolment.join(try cluster.line(validSeconds: -1), folder: "\(cluster.folder.path)/other")
        try await Enrolment.renew(identity, host: "127.0.0.1", port: cluster.port).save(folder: folder)
        let access = try await CoordinatorAccess(cluster.state, version: "test")
        try await access.ban(identity.name)
        _ = try await cluster.refusal(of: identity)
        await cluster.stop()
        _ = try CertificateAuthority.rotate(folder: cluster.state.authority)

        let secrets = [line.token.description, "PRIVATE", "BEGIN"]
        for text in cluster.log.lines { for secret in secrets { #expect(!text.contains(secret), "\(text)") } }
        let files = FileManager.default
        let names = try #require(files.subpaths(atPath: cluster.folder.path))
        var keys = 0
        for path in names.map({ "\(cluster.folder.path)/\($0)" }) where path.hasSuffix(".pem") {
            #expect(try files.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600, "\(path)")
            let parent = URL(filePath: path).deletingLastPathComponent().path
            #expect(try files.attributesOfItem(atPath: parent)[.posixPermissions] as? Int == 0o700, "\(parent)")
            keys += 1
        }
        // The authority and what is left of the one before, the machine's identity, the key of the one refused.
        #expect(keys == 4)
    }
}
