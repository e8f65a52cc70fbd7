import Coordination
import CoordinatorShell
import Foundation
import Synchronization
import Testing
import Transport
import TransportTestSupport
import Wire

@testable import WorkerShell

/// How certificates are replaced before and after their ends.
@Suite(.timeLimit(.minutes(2))) struct RenewalTests {
    private static let day: Int64 = 86_400

    /// A worker whose certificate ended so many seconds ago, and that the coordinator knows.
    private func sleeper(_ cluster: TestCoordinator, endedSeconds: Int64) throws -> Identity {
        let life = CertificateAuthority.certificateValidSeconds
        let identity = try cluster.authority.makeIdentity(
            role: .worker,
            name: "sleeper",
            validSeconds: life,
            atSeconds: currentSeconds() - life - endedSeconds
        )
        let peer = Peer(
            role: .worker,
            name: "sleeper",
            keyDigest: identity.key.publicKeyDigest,
            certificateEndSeconds: identity.certificate.validSeconds.upperBound
        )
        #expect(try cluster.store.objection(to: peer, atSeconds: 1) == nil)
        return identity
    }

    @Test func `a worker that slept 25 hours past its certificate's end renews it and goes on`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try self.sleeper(cluster, endedSeconds: 25 * 3600)
        await #expect(throws: (any Error).self) { try await cluster.hello(identity) }
        _ = await cluster.log.line(containing: "its certificate has expired")
        let renewed = try await Enrolment.renew(identity, host: "127.0.0.1", port: cluster.port)
        #expect(renewed.key == identity.key && renewed.name == "sleeper")
        #expect(await cluster.log.line(containing: "renewed as worker sleeper").contains("127.0.0.1"))
        _ = try await cluster.connect(renewed)
        let record = try #require(try cluster.store.workers().first)
        #expect(record.certificateEndSeconds == renewed.certificate.validSeconds.upperBound)
        await cluster.stop()
    }

    @Test func `a certificate whose grace is over is not renewed`() async throws {
        let cluster = try await TestCoordinator(policy: EnrolmentPolicy(graceSeconds: Self.day))
        let identity = try self.sleeper(cluster, endedSeconds: 25 * 3600)
        let error = await #expect(throws: EnrolmentError.self) {
            try await Enrolment.renew(identity, host: "127.0.0.1", port: cluster.port)
        }
        #expect(error?.description.contains("ended more than 86400 s ago: join by a fresh line") == true)
        await cluster.stop()
    }

    @Test func `a key that never joined gets no certificate without a token`() async throws {
        let cluster = try await TestCoordinator()
        let identity = try cluster.authority.makeIdentity(role: .worker, name: "unknown")
        let error = await #expect(throws: EnrolmentError.self) {
            try await Enrolment.renew(identity, host: "127.0.0.1", port: cluster.port)
        }
        #expect(error?.description.contains("its key is not known here") == true)
        #expect(try cluster.store.workers().isEmpty)
        await cluster.stop()
    }

    @Test func `the lifetime of certificates is a setting`() async throws {
        let cluster = try await TestCoordinator(policy: EnrolmentPolicy(certificateSeconds: 7200))
        let identity = try await Enrolment.join(cluster.line(), folder: cluster.folder.path)
        let certificate = identity.certificate
        #expect(abs(certificate.validSeconds.upperBound - currentSeconds() - 7200) < 60)
        let renewed = try await Enrolment.renew(identity, host: "127.0.0.1", port: cluster.port)
        #expect(renewed.certificate.validSeconds.upperBound >= certificate.validSeconds.upperBound)
        await cluster.stop()
    }

    // MARK: The worker's side

    /// A clock that stands still but for what is slept on it, and a coordinator that fails as often as it is told.
    private final class Keeping: Sendable {
        let authority: CertificateAuthority
        let clock = Mutex<Int64>(1_900_000_000)
        let renewals = Mutex<[Int64]>([])
        private let failures: Mutex<Int>

        init(failures: Int = 0) throws {
            self.authority = try CertificateAuthority(atSeconds: 1_900_000_000)
            self.failures = Mutex(failures)
        }

        var now: Int64 { self.clock.withLock { $0 } }

        func issue(_ identity: Identity?) throws -> Identity {
            let now = self.now
            guard let identity else {
                return try self.authority.makeIdentity(role: .worker, name: "w", atSeconds: now)
            }
            self.renewals.withLock { $0.append(now) }
            let fails = self.failures.withLock { left in
                left -= 1
                return left >= 0
            }
            if fails { throw CancelledByTest() }
            let request = try CertificateRequest(for: identity.key)
            let next = try self.authority.issue(request, role: .worker, name: "w", atSeconds: now)
            return try identity.renewed(next, authority: self.authority.certificate)
        }

        /// A keeper that is ended after so many questions to the coordinator.
        func keeper(_ identity: Identity, folder: String, jitter: Double, until count: Int) -> IdentityKeeper {
            IdentityKeeper(
                identity,
                folder: folder,
                logger: LogLines().logger,
                jitter: jitter,
                now: { self.now },
                sleep: { seconds in
                    #expect(seconds > 0)
                    if self.renewals.withLock({ $0.count }) >= count { throw CancellationError() }
                    self.clock.withLock { $0 += seconds }
                },
                renew: { try self.issue($0) }
            )
        }
    }

    private struct CancelledByTest: Error {}

    @Test(arguments: [0.0, 0.5, 0.99])
    func `a worker renews at half of a certificate's life and its own jitter`(jitter: Double) async throws {
        let (keeping, folder) = (try Keeping(), TemporaryFolder())
        let first = try keeping.issue(nil)
        let keeper = keeping.keeper(first, folder: folder.path, jitter: jitter, until: 3)
        let life = first.certificate.validSeconds.upperBound - first.certificate.validSeconds.lowerBound
        let due = first.certificate.renewalSeconds + Int64(jitter * Double(life) / 10)
        #expect(keeper.dueSeconds == due)
        await keeper.run()
        let times = keeping.renewals.withLock { $0 }
        #expect(times.count == 3 && times[0] == due)
        #expect(keeper.identity.certificate.validSeconds.lowerBound == times[2] - CertificateAuthority.backdateSeconds)
        #expect(try Identity(folder: folder.path) == keeper.identity)
        let file = "\(folder.path)/\(Identity.fileName)"
        #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
    }

    @Test func `a renewal that fails is tried again, and the old certificate serves meanwhile`() async throws {
        let (keeping, folder) = (try Keeping(failures: 2), TemporaryFolder())
        let first = try keeping.issue(nil)
        let keeper = keeping.keeper(first, folder: folder.path, jitter: 0, until: 2)
        await keeper.run()
        let times = keeping.renewals.withLock { $0 }
        #expect(times.count == 2 && times[1] - times[0] == 600)
        #expect(try await keeper.current() == first)
    }

    @Test func `an expired certificate is renewed before it is shown`() async throws {
        let (keeping, folder) = (try Keeping(), TemporaryFolder())
        let first = try keeping.issue(nil)
        let keeper = keeping.keeper(first, folder: folder.path, jitter: 0, until: 1)
        keeping.clock.withLock { $0 = first.certificate.validSeconds.upperBound + 25 * 3600 }
        let current = try await keeper.current()
        #expect(current.certificate.validSeconds.contains(keeping.now))
        #expect(try Identity(folder: folder.path) == current)
    }
}
