public import Digests
import Foundation
import NIOCore
import Wire

/// What a coordinator decides about: a machine that shows a token and a key.
public struct EnrolmentRequest: Hashable, Sendable {
    /// The digest of the token that it showed; see ``JoinToken/digest``.
    public var tokenDigest: Digest
    /// SHA-256 of its public key. The same key with the same token is a repeat after a lost reply: accept it again
    /// without counting a use.
    public var keyDigest: Digest
    /// Where it comes from.
    public var address: String
}

/// What a coordinator answers.
public enum EnrolmentDecision: Hashable, Sendable {
    /// Issue a certificate with this name and role. What the machine's own request asks for is never looked at.
    case accept(name: String, role: Role = .worker)
    /// Say no, and why: the machine's user reads it.
    case refuse(String)
}

/// How a listener answers machines that enrol.
public struct EnrolmentService: Sendable {
    public var authority: CertificateAuthority
    public var validSeconds: Int64
    public var decide: @Sendable (EnrolmentRequest) async -> EnrolmentDecision

    public init(
        authority: CertificateAuthority,
        validSeconds: Int64 = CertificateAuthority.certificateValidSeconds,
        decide: @escaping @Sendable (EnrolmentRequest) async -> EnrolmentDecision
    ) {
        self.authority = authority
        self.validSeconds = validSeconds
        self.decide = decide
    }
}

/// One bounded request and one reply, by which a machine without a certificate gets one.
///
///     machine      → token, certificate request        (its private key never leaves it)
///     coordinator  → certificate, authority | refusal
public enum Enrolment {
    /// The most bytes of a request or a reply.
    public static let payloadBytesLimit = 24 << 10
    /// The key of a machine that waits for its certificate, inside its folder.
    public static let keyFileName = "enrolment.pem"

    private static let requestKind: UInt8 = 1
    private static let replyKind: UInt8 = 2

    private struct Request: Codable {
        var version: Int
        var token: String
        var request: String
    }

    private struct Reply: Codable {
        var certificate: String?
        var authority: String?
        var refusal: String?
    }

    /// Joins a cluster by its line, and saves the identity into `folder`.
    ///
    /// The key is saved before it is used, so that a repeat after a lost reply shows the same one.
    ///
    /// - Throws: ``EnrolmentError`` where the coordinator says no; ``TLSError`` where what answers is not the
    ///   coordinator of the line (nothing was sent to it then); ``ConnectionError`` where nothing answers.
    public static func join(
        _ line: JoinLine,
        folder: String,
        limits: ConnectionLimits = ConnectionLimits()
    ) async throws -> Identity {
        let key = try self.key(folder: folder)
        let context = try TLSContext.enrolling(authorityKeyDigest: line.authorityKeyDigest)
        let stream = try await Dialer.open(host: line.host, port: line.port, context: context, limits: limits).stream
        defer { stream.close() }
        let request = Request(
            version: 1,
            token: line.token.description,
            request: try CertificateRequest(for: key).pem
        )
        try await stream.send(Frame(kind: self.requestKind, payload: Array(JSONEncoder().encode(request))))
        guard let frame = try await stream.next(), frame.kind == self.replyKind,
            let reply = try? JSONDecoder().decode(Reply.self, from: Data(frame.payload.readableBytesView))
        else {
            throw EnrolmentError("the coordinator at \(stream.address) gave no answer that this quintet understands")
        }
        if let refusal = reply.refusal {
            throw EnrolmentError("the coordinator at \(stream.address) refused: \(refusal.prefix(500))")
        }
        guard let certificate = reply.certificate, let authority = reply.authority else {
            throw EnrolmentError("the coordinator at \(stream.address) sent no certificate")
        }
        let identity = try Identity(
            key: key,
            certificate: Certificate(pem: certificate),
            authority: Certificate(pem: authority)
        )
        guard identity.authority.keyDigest == line.authorityKeyDigest else {
            throw TLSError(.otherAuthorityThanJoinLine)
        }
        try identity.save(folder: folder)
        try PrivateFile.remove("\(folder)/\(self.keyFileName)")
        return identity
    }

    /// The key that an earlier try left, or a fresh one.
    private static func key(folder: String) throws -> PrivateKey {
        let path = "\(folder)/\(self.keyFileName)"
        if try PrivateFile.read(path) == nil {
            _ = try PrivateFile.write(PrivateKey().pem, to: path, replacing: false)
        }
        guard let text = try PrivateFile.read(path) else {
            throw EnrolmentError("\(path) comes and goes: another quintet joins from the same folder")
        }
        return try PrivateKey(pem: text)
    }

    /// The coordinator's side: answers the one request of a stream. Says what happened, for the log.
    static func serve(_ stream: FrameStream, with service: EnrolmentService) async throws -> String {
        guard let frame = try await stream.next(), frame.kind == self.requestKind,
            let request = try? JSONDecoder().decode(Request.self, from: Data(frame.payload.readableBytesView)),
            let token = JoinToken(request.token), request.version == 1
        else {
            return try await self.refuse(stream, "this is no request to join that this quintet understands")
        }
        let asked: CertificateRequest
        do {
            asked = try CertificateRequest(pem: request.request)
        } catch {
            return try await self.refuse(stream, "\(error)")
        }
        let decision = await service.decide(
            EnrolmentRequest(tokenDigest: token.digest, keyDigest: asked.keyDigest, address: stream.address)
        )
        switch decision {
        case .refuse(let reason): return try await self.refuse(stream, reason)
        case .accept(let name, let role):
            let certificate = try service.authority.issue(
                asked,
                role: role,
                name: name,
                validSeconds: service.validSeconds
            )
            let reply = Reply(certificate: certificate.pem, authority: service.authority.certificate.pem)
            try await self.answer(stream, reply)
            return "enrolled as \(role.rawValue) \(name) with key \(asked.keyDigest.short)"
        }
    }

    private static func refuse(_ stream: FrameStream, _ reason: String) async throws -> String {
        try await self.answer(stream, Reply(refusal: reason))
        return "refused to enrol: \(reason)"
    }

    /// Waits until the other side has closed, because closing first could reset the connection under the reply. The
    /// listener bounds the wait.
    private static func answer(_ stream: FrameStream, _ reply: Reply) async throws {
        try await stream.send(Frame(kind: self.replyKind, payload: Array(JSONEncoder().encode(reply))))
        // By now it may have read the reply and gone.
        try? await stream.finish()
        _ = try? await stream.next()
    }
}

/// A machine that was not let in, and why.
public struct EnrolmentError: Error, Hashable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}
