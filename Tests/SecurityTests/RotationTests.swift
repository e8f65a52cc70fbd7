import CoordinatorShell
import Foundation
import Synchronization
import Testing
import Transport
import TransportTestSupport
import Wire

/// Replacing the certificate authority while workers are out there that know only the old one.
@Suite(.timeLimit(.minutes(2))) struct RotationTests {
    @Test
    func `during the window both authorities' workers are served, and the old one's get the new one's certificates`()
        async throws
    {
        let cluster = try await TestCoordinator()
        let oldLine = try cluster.line(uses: 2)
        let old = try await Enrolment.join(oldLine, folder: "\(cluster.folder.path)/old")
        await cluster.stop()
        let authority = try CertificateAuthority.rotate(folder: cluster.state.authority)
        #expect(authority.publicKeyDigest != cluster.authority.publicKeyDigest)
        try await cluster.restart()

        _ = try await cluster.connect(old)
        let newLine = try cluster.line()
        #expect(newLine.authorityKeyDigest == authority.publicKeyDigest)
        let new = try await Enrolment.join(newLine, folder: "\(cluster.folder.path)/new")
        #expect(new.authority.keyDigest == authority.publicKeyDigest)
        _ = try await cluster.connect(new)

        let moved = try await Enrolment.renew(old, host: "127.0.0.1", port: cluster.port)
        #expect(moved.authority.keyDigest == authority.publicKeyDigest && moved.key == old.key)
        _ = try await cluster.connect(moved)
        // It is found again by the line with which it once joined, also from its file.
        try moved.save(folder: "\(cluster.folder.path)/old")
        let opened = try #require(try Identity(folder: "\(cluster.folder.path)/old"))
        #expect(opened == moved && opened.isOfCluster(authorityKeyDigest: oldLine.authorityKeyDigest))
        #expect(!new.isOfCluster(authorityKeyDigest: oldLine.authorityKeyDigest))
        await cluster.stop()
    }

    @Test func `without a window the old authority's workers are refused, and its lines fool nobody`() async throws {
        let cluster = try await TestCoordinator()
        let line = try cluster.line(uses: 2)
        let old = try await Enrolment.join(line, folder: "\(cluster.folder.path)/old")
        await cluster.stop()
        _ = try CertificateAuthority.rotate(folder: cluster.state.authority, windowSeconds: 0)
        try await cluster.restart()
        await #expect(throws: TLSError(.unknownAuthority)) { try await cluster.dial(old) }
        await #expect(throws: TLSError(.otherAuthorityThanJoinLine)) {
            try await Enrolment.renew(old, host: "127.0.0.1", port: cluster.port)
        }
        await #expect(throws: TLSError(.otherAuthorityThanJoinLine)) {
            try await Enrolment.join(line, folder: "\(cluster.folder.path)/late")
        }
        await cluster.stop()
    }

    /// Goal: the window ends for a coordinator that goes on running.
    /// Method: the listener's clock is set past the end of the old identity, whose certificate is still good here.
    @Test func `the window ends without a restart`() async throws {
        let (old, new) = (try Cluster(), try Cluster())
        let clock = Mutex<Int64>(currentSeconds())
        let listener = try await new.listenAndEcho(previous: old.coordinator) { clock.withLock { $0 } }
        for worker in [old.worker, new.worker] {
            let connection = try await new.dial(listener, as: worker)
            try await connection.send(Frame(kind: 1, payload: []))
            #expect(try await connection.next()?.kind == 1)
        }
        clock.withLock { $0 = old.coordinator.certificate.validSeconds.upperBound }
        await #expect(throws: TLSError(.unknownAuthority)) { try await new.dial(listener, as: old.worker) }
        // Nor may one come with the new authority in its hand and the old one's certificate.
        let mixed = try Identity(
            key: old.worker.key,
            certificate: old.worker.certificate,
            authority: new.authority.certificate
        )
        let connection = try await new.dial(listener, as: mixed)
        await #expect(throws: TLSError.self) { try await connection.next() }
        _ = await new.log.line(containing: "from an authority that is not trusted here")
        _ = try await new.dial(listener)
        await listener.shutdown()
    }

    @Test func `the old authority's key is gone, and what is left cannot issue certificates`() throws {
        let folder = TemporaryFolder()
        let path = "\(folder.path)/\(CertificateAuthority.fileName)"
        let old = try CertificateAuthority(folder: folder.path)
        let key = try String(contentsOfFile: path, encoding: .utf8)
            .components(separatedBy: "-----END PRIVATE KEY-----")[0]
        let new = try CertificateAuthority.rotate(folder: folder.path, windowSeconds: 3600)
        #expect(try CertificateAuthority(folder: folder.path).publicKeyDigest == new.publicKeyDigest)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.count == 2)
        for name in names {
            let file = "\(folder.path)/\(name)"
            #expect(try !String(contentsOfFile: file, encoding: .utf8).contains(key))
            #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
        }
        let previous = try #require(try new.previousIdentity(folder: folder.path))
        #expect(previous.role == .coordinator && previous.authority.keyDigest == old.publicKeyDigest)
        #expect(try new.previousIdentity(folder: folder.path, atSeconds: currentSeconds() + 3600) == nil)
        // An interrupted rotation has written the identity and not the authority.
        #expect(try old.previousIdentity(folder: folder.path) == nil)
    }
}
