import CoordinatorShell
import Digests
import Testing
import Transport
import TransportTestSupport

/// Joining by a file: who gets in, and what a coordinator makes of what it finds there.
@Suite struct JoinByFileTests {
    private func letIn(_ cluster: TestCoordinator, _ file: JoinFile, host: String = "127.0.0.1") throws {
        try cluster.service.letIn(by: file, host: host, port: cluster.port, uses: 2, validSeconds: 60)
    }

    private func join(_ cluster: TestCoordinator, _ file: JoinFile, as name: String) async throws -> Identity {
        let line = try JoinSource.file(file).line()
        return try await Enrolment.join(line, folder: "\(cluster.folder.path)/\(name)")
    }

    /// Goal: a coordinator that starts elsewhere changes the address alone: who has read the file before still gets in,
    /// and a file that says all there is to say is not written.
    @Test func `the token stays good, and the address follows the coordinator`() async throws {
        let cluster = try await TestCoordinator()
        let file = JoinFile("\(cluster.folder.path)/join")
        try self.letIn(cluster, file, host: "elsewhere")
        let before = try JoinSource.file(file).line()
        try self.letIn(cluster, file)
        let after = try JoinSource.file(file).line()
        #expect((after.host, after.token) == ("127.0.0.1", before.token))
        _ = try await self.join(cluster, file, as: "first")
        try self.letIn(cluster, file)
        #expect(try JoinSource.file(file).line() == after)
        _ = try await self.join(cluster, file, as: "second")
        await #expect(throws: EnrolmentError.self) { try await self.join(cluster, file, as: "third") }
        await cluster.stop()
    }

    /// Goal: who was banned knows the token, so there is a new one at once, and others still get in.
    @Test func `a token that a banned worker knows is replaced`() async throws {
        let cluster = try await TestCoordinator()
        let file = JoinFile("\(cluster.folder.path)/join")
        try self.letIn(cluster, file)
        let before = try JoinSource.file(file).line()
        let identity = try await self.join(cluster, file, as: "first")
        try await cluster.service.ban(identity.name)
        let after = try JoinSource.file(file).line()
        #expect(after.token != before.token)
        await #expect(throws: EnrolmentError.self) {
            try await Enrolment.join(before, folder: "\(cluster.folder.path)/again")
        }
        _ = try await self.join(cluster, file, as: "other")
        await cluster.stop()
    }

    /// Goal: a file of another authority lets nobody in here, and is made ours.
    @Test func `a file of another authority is written anew`() async throws {
        let cluster = try await TestCoordinator()
        let file = JoinFile("\(cluster.folder.path)/join")
        let other = JoinLine(
            host: "127.0.0.1",
            port: cluster.port,
            token: JoinToken(),
            authorityKeyDigest: SHA256.hash("other")
        )
        try file.write(other)
        try self.letIn(cluster, file)
        let line = try JoinSource.file(file).line()
        #expect(line.authorityKeyDigest == cluster.authority.publicKeyDigest)
        #expect(line.token != other.token)
        await cluster.stop()
    }

    /// Goal: a cluster's secret holds the authority; a folder that has one of its own keeps it.
    @Test func `an authority is taken over where there is none`() throws {
        let folder = TemporaryFolder()
        let (secret, state) = ("\(folder.path)/secret", "\(folder.path)/state")
        #expect(throws: CertificateError.self) { try CertificateAuthority.copy(from: secret, to: state) }
        let made = try CertificateAuthority(folder: secret)
        try CertificateAuthority.copy(from: secret, to: state)
        #expect(try CertificateAuthority(folder: state).publicKeyDigest == made.publicKeyDigest)
        let other = try CertificateAuthority(folder: "\(folder.path)/other")
        try CertificateAuthority.copy(from: "\(folder.path)/other", to: state)
        #expect(try CertificateAuthority(folder: state).publicKeyDigest == made.publicKeyDigest)
        #expect(other.publicKeyDigest != made.publicKeyDigest)
    }
}
