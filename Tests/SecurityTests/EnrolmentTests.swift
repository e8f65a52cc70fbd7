import Digests
import Foundation
import NIOCore
import Synchronization
import Testing
import TransportTestSupport
import Wire

@testable import Transport

@Suite(.timeLimit(.minutes(5))) struct EnrolmentTests {
    private let cluster: Cluster
    private let folder = TemporaryFolder()
    private let token = JoinToken()

    init() throws { self.cluster = try Cluster() }

    /// As a coordinator would: a token of one use, which the key that used it may show again.
    private final class Ledger: Sendable {
        let requests = Mutex<[EnrolmentRequest]>([])
        let tokenDigest: Digest

        init(_ token: JoinToken) { self.tokenDigest = token.digest }

        func decide(_ request: EnrolmentRequest) -> EnrolmentDecision {
            guard request.tokenDigest == self.tokenDigest else { return .refuse("the token is unknown") }
            return self.requests.withLock { requests in
                defer { requests.append(request) }
                if let first = requests.first, first.keyDigest != request.keyDigest {
                    return .refuse("the token is spent")
                }
                return .accept(name: "worker-\(request.keyDigest.short)")
            }
        }
    }

    private func listen(_ ledger: Ledger, limits: ListenerLimits = ListenerLimits()) async throws -> Listener {
        let service = EnrolmentService(authority: self.cluster.authority) { ledger.decide($0) }
        return try await self.cluster.listenAndEcho(limits: limits, enrol: service)
    }

    private func line(_ listener: Listener, token: JoinToken? = nil, digest: Digest? = nil) -> JoinLine {
        JoinLine(
            host: "127.0.0.1",
            port: listener.port,
            token: token ?? self.token,
            authorityKeyDigest: digest ?? self.cluster.authority.publicKeyDigest
        )
    }

    @Test func `a machine with a token joins, and then connects as a worker`() async throws {
        let ledger = Ledger(self.token)
        let listener = try await self.listen(ledger)
        let identity = try await Enrolment.join(self.line(listener), folder: self.folder.path)
        #expect(identity.role == .worker && identity.name == "worker-\(identity.key.publicKeyDigest.short)")
        #expect(try Identity(folder: self.folder.path) == identity)
        #expect(try FileManager.default.contentsOfDirectory(atPath: self.folder.path) == [Identity.fileName])
        #expect(await self.cluster.log.line(containing: "enrolled").contains("as worker \(identity.name)"))
        let connection = try await self.cluster.dial(listener, as: identity)
        try await connection.send(Frame(kind: 1, payload: []))
        #expect(try await connection.next()?.kind == 1)
        #expect(ledger.requests.withLock { $0.map(\.address) }.first?.hasPrefix("127.0.0.1:") == true)
        await listener.shutdown()
    }

    @Test func `a wrong token is refused with the coordinator's reason`() async throws {
        let listener = try await self.listen(Ledger(self.token))
        let error = await #expect(throws: EnrolmentError.self) {
            _ = try await Enrolment.join(self.line(listener, token: JoinToken()), folder: self.folder.path)
        }
        #expect(error?.description.contains("refused: the token is unknown") == true)
        #expect(try Identity(folder: self.folder.path) == nil)
        _ = await self.cluster.log.line(containing: "refused to enrol: the token is unknown")
        await listener.shutdown()
    }

    /// Goal: a machine whose reply was lost may ask again; another one may not.
    /// Method: the identity that a first enrolment saved is replaced by the key it began with, as if it never arrived.
    @Test func `a repeat after a lost reply shows the same key`() async throws {
        let ledger = Ledger(self.token)
        let listener = try await self.listen(ledger)
        let first = try await Enrolment.join(self.line(listener), folder: self.folder.path)
        try FileManager.default.removeItem(atPath: "\(self.folder.path)/\(Identity.fileName)")
        _ = try self.folder.file(Enrolment.keyFileName, first.key.pem)
        let second = try await Enrolment.join(self.line(listener), folder: self.folder.path)
        #expect(second.key == first.key && second.name == first.name)
        let other = TemporaryFolder()
        await #expect(throws: EnrolmentError.self) {
            _ = try await Enrolment.join(self.line(listener), folder: other.path)
        }
        // The key of the refused try stays, so that the next one is a repeat as well.
        #expect(try FileManager.default.contentsOfDirectory(atPath: other.path) == [Enrolment.keyFileName])
        await listener.shutdown()
    }

    @Test func `a join line of another authority sends nothing`() async throws {
        let ledger = Ledger(self.token)
        let listener = try await self.listen(ledger)
        await #expect(throws: TLSError(.otherAuthorityThanJoinLine)) {
            _ = try await Enrolment.join(
                self.line(listener, digest: SHA256.hash("another")),
                folder: self.folder.path
            )
        }
        _ = await self.cluster.log.line(containing: "127.0.0.1")
        #expect(ledger.requests.withLock { $0.isEmpty })
        await listener.shutdown()
    }

    /// Goal: a worker of the same cluster cannot catch tokens.
    @Test func `a worker that poses as coordinator gets no token`() async throws {
        let ledger = Ledger(self.token)
        let service = EnrolmentService(authority: self.cluster.authority) { ledger.decide($0) }
        let listener = try await self.cluster.listenAndEcho(as: self.cluster.worker, enrol: service)
        await #expect(throws: TLSError(.wrongRole(.worker, admitted: [.coordinator]))) {
            _ = try await Enrolment.join(self.line(listener), folder: self.folder.path)
        }
        #expect(ledger.requests.withLock { $0.isEmpty })
        await listener.shutdown()
    }

    /// Goal: the authority's certificate is public, so showing it proves nothing.
    /// Method: a coordinator of another authority's that sends the right one along.
    @Test func `an authority that did not sign the coordinator does not help it`() async throws {
        let stranger = try Cluster()
        let mixed = try Identity(
            key: stranger.coordinator.key,
            certificate: stranger.coordinator.certificate,
            authority: self.cluster.authority.certificate
        )
        let service = EnrolmentService(authority: stranger.authority) { _ in .accept(name: "caught") }
        let listener = try await self.cluster.listenAndEcho(as: mixed, enrol: service)
        await #expect(throws: TLSError(.unknownAuthority)) {
            _ = try await Enrolment.join(self.line(listener), folder: self.folder.path)
        }
        await listener.shutdown()
    }

    @Test func `without a certificate nothing but one small request is heard`() async throws {
        let ledger = Ledger(self.token)
        let listener = try await self.listen(ledger)
        let context = try TLSContext.enrolling(authorityKeyDigest: self.cluster.authority.publicKeyDigest)
        func open() async throws -> FrameStream {
            try await Dialer.open(
                host: "127.0.0.1",
                port: listener.port,
                context: context,
                limits: ConnectionLimits()
            ).stream
        }
        // Not a request: answered and ended.
        let first = try await open()
        try await first.send(Frame(kind: 1, payload: Array("{}".utf8)))
        let reply = try #require(try await first.next())
        #expect(String(buffer: reply.payload).contains("no request to join"))
        #expect(try await first.next() == nil)
        // Over the limit, though it would fit into a frame of a member's.
        let second = try await open()
        try await second.send(Frame(kind: 1, payload: [UInt8](repeating: 0, count: Enrolment.payloadBytesLimit + 1)))
        _ = await self.cluster.log.line(containing: "could not enrol: frame of kind 1")
        #expect(ledger.requests.withLock { $0.isEmpty })
        await listener.shutdown()
    }

    @Test func `a machine that enrols and says nothing is let go`() async throws {
        let listener = try await self.listen(Ledger(self.token), limits: ListenerLimits(enrolmentSeconds: 0.2))
        let context = try TLSContext.enrolling(authorityKeyDigest: self.cluster.authority.publicKeyDigest)
        let stream = try await Dialer.open(
            host: "127.0.0.1",
            port: listener.port,
            context: context,
            limits: ConnectionLimits()
        ).stream
        #expect(try await stream.next() == nil)
        await stream.waitUntilClosed()
        await listener.shutdown()
    }
}
