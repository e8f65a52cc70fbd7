public import Digests
import Foundation
import NIOCore
import Wire

/// What a coordinator decides about: a machine that shows a key, and a token unless its key is known already.
public struct EnrolmentRequest: Hashable, Sendable {
    /// The digest of the token that it showed, see ``JoinToken/digest``; nil where it only asks for its next
    /// certificate.
    public var tokenDigest: Digest?
    /// SHA-256 of its public key, which it has proved to be its own. The same key with the same token is a repeat after
    /// a lost reply: accept it again without counting a use.
    public var keyDigest: Digest
    /// Where it comes from.
    public var address: String

    public init(tokenDigest: Digest?, keyDigest: Digest, address: String) {
        self.tokenDigest = tokenDigest
        self.keyDigest = keyDigest
        self.address = address
    }
}

/// What a coordinator answers.
public enum EnrolmentDecision: Hashable, Sendable {
    /// Issue a certificate with this name and role. What the machine's own request asks for is never looked at.
    case accept(name: String, role: Role = .worker)
    /// A person has to approve of it under this name first; it may ask again.
    case wait(name: String)
    /// Say no, and why: the machine's user reads it.
    case refuse(String)
}

/// How a listener answers machines that enrol.
public struct EnrolmentService: Sendable {
    public var authority: CertificateAuthority
    public var validSeconds: Int64
    /// Seconds since 1970: when a certificate is made.
    public var now: @Sendable () -> Int64
    public var decide: @Sendable (EnrolmentRequest) async -> EnrolmentDecision

    public init(
        authority: CertificateAuthority,
        validSeconds: Int64 = CertificateAuthority.certificateValidSeconds,
        now: @escaping @Sendable () -> Int64 = currentSeconds,
        decide: @escaping @Sendable (EnrolmentRequest) async -> EnrolmentDecision
    ) {
        self.authority = authority
        self.validSeconds = validSeconds
        self.now = now
        self.decide = decide
    }
}

/// One bounded request and one reply, by which a machine gets its certificate, and later its next one.
///
///     machine      → token (the first time), certificate request        (its private key never leaves it)
///     coordinator  → certificate, authority | wait | refusal
///
/// The request is signed by the key that the certificate will be for, so that a machine whose certificate has expired
/// still proves who it is; and a certificate is of no use to anybody who has not that key.
public enum Enrolment {
    /// The most bytes of a request or a reply.
    public static let payloadBytesLimit = 24 << 10
    /// The key of a machine that waits for its certificate, inside its folder.
    public static let keyFileName = "enrolment.pem"
    /// The longest pause of a machine that waits to be approved of.
    public static let pauseSecondsLimit = 30

    static let requestKind: UInt8 = 1
    static let replyKind: UInt8 = 2

    struct Request: Codable {
        var version: Int
        var token: String?
        var request: String
    }

    private struct Reply: Codable {
        var certificate: String?
        var authority: String?
        /// The name under which the machine waits to be approved of.
        var waiting: String?
        var refusal: String?
    }

    private enum Answer {
        case issued(Certificate, authority: Certificate)
        case wait(name: String)
    }

    /// Joins a cluster by its line, and saves the identity into `folder`. Where a person has to approve of it, asks
    /// again until that has happened.
    ///
    /// The key is saved before it is used, so that a repeat after a lost reply shows the same one.
    ///
    /// - Parameters:
    ///   - pause: waits before the next try; gets how many there were.
    ///   - onWaiting: told the machine's name each time that it has to wait.
    /// - Throws: ``EnrolmentError`` where the coordinator says no; ``TLSError`` where what answers is not the
    ///   coordinator of the line (nothing was sent to it then); ``ConnectionError`` where nothing answers.
    public static func join(
        _ line: JoinLine,
        folder: String,
        limits: ConnectionLimits = ConnectionLimits(),
        pause: @Sendable (_ tries: Int) async throws -> Void = pauseLonger,
        onWaiting: @Sendable (_ name: String) -> Void = { _ in }
    ) async throws -> Identity {
        let key = try self.key(folder: folder)
        let (host, port) = (line.host, line.port)
        var tries = 0
        while true {
            do {
                let answer = try await self.ask(
                    host: host,
                    port: port,
                    authorityKeyDigest: line.authorityKeyDigest,
                    token: line.token,
                    key: key,
                    limits: limits
                )
                switch answer {
                case .wait(let name): onWaiting(name)
                case .issued(let certificate, let authority):
                    let identity = try Identity(key: key, certificate: certificate, authority: authority)
                    guard authority.keyDigest == line.authorityKeyDigest else {
                        throw TLSError(.otherAuthorityThanJoinLine)
                    }
                    try identity.save(folder: folder)
                    try KeyFile.remove("\(folder)/\(self.keyFileName)")
                    return identity
                }
            } catch is ConnectionError where tries > 0 {
                // The coordinator has gone meanwhile; it knows the key when it comes back.
            }
            tries += 1
            try await pause(tries)
        }
    }

    /// A second, then twice as long each time, up to ``pauseSecondsLimit``.
    public static let pauseLonger: @Sendable (_ tries: Int) async throws -> Void = { tries in
        try await Task.sleep(for: .seconds(min(1 << min(tries - 1, 16), pauseSecondsLimit)))
    }

    /// Asks for the next certificate of an identity, whether or not the one that it has is still valid.
    ///
    /// - Returns: the same key under a new certificate; saving it is the caller's business.
    /// - Throws: ``EnrolmentError`` where the coordinator says no; else as ``join(_:folder:limits:pause:onWaiting:)``.
    public static func renew(
        _ identity: Identity,
        host: String,
        port: Int,
        limits: ConnectionLimits = ConnectionLimits()
    ) async throws -> Identity {
        let answer = try await self.ask(
            host: host,
            port: port,
            authorityKeyDigest: identity.authority.keyDigest,
            token: nil,
            key: identity.key,
            limits: limits
        )
        guard case .issued(let certificate, let authority) = answer else {
            throw EnrolmentError("the coordinator wants a person to approve of \(identity.name) first")
        }
        return try identity.renewed(certificate, authority: authority)
    }

    private static func ask(
        host: String,
        port: Int,
        authorityKeyDigest: Digest,
        token: JoinToken?,
        key: PrivateKey,
        limits: ConnectionLimits
    ) async throws -> Answer {
        let context = try TLSContext.enrolling(authorityKeyDigest: authorityKeyDigest)
        let stream = try await Dialer.open(host: host, port: port, context: context, limits: limits).stream
        defer { stream.close() }
        let request = Request(
            version: 1,
            token: token?.description,
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
        if let name = reply.waiting, PeerName.isValid(name) { return .wait(name: name) }
        guard let certificate = reply.certificate, let authority = reply.authority else {
            throw EnrolmentError("the coordinator at \(stream.address) sent no certificate")
        }
        return .issued(try Certificate(pem: certificate), authority: try Certificate(pem: authority))
    }

    /// The key that an earlier try left, or a fresh one.
    private static func key(folder: String) throws -> PrivateKey {
        let path = "\(folder)/\(self.keyFileName)"
        if try KeyFile.read(path) == nil {
            _ = try KeyFile.create(PrivateKey().pem, at: path)
        }
        guard let text = try KeyFile.read(path) else {
            throw EnrolmentError("\(path) comes and goes: another quintet joins from the same folder")
        }
        return try PrivateKey(pem: text)
    }

    // MARK: The coordinator's side

    /// Answers the one request of a stream. Says what happened, for the log.
    static func serve(_ stream: FrameStream, with service: EnrolmentService) async throws -> String {
        guard let frame = try await stream.next(), frame.kind == self.requestKind,
            let request = try? JSONDecoder().decode(Request.self, from: Data(frame.payload.readableBytesView)),
            let token = self.token(request), request.version == 1
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
            EnrolmentRequest(tokenDigest: token?.digest, keyDigest: asked.keyDigest, address: stream.address)
        )
        switch decision {
        case .refuse(let reason): return try await self.refuse(stream, reason)
        case .wait(let name):
            try await self.answer(stream, Reply(waiting: name))
            return "\(name) waits to be approved of: quintet approve \(name)"
        case .accept(let name, let role):
            let certificate = try service.authority.issue(
                asked,
                role: role,
                name: name,
                validSeconds: service.validSeconds,
                atSeconds: service.now()
            )
            let reply = Reply(certificate: certificate.pem, authority: service.authority.certificate.pem)
            try await self.answer(stream, reply)
            let what = token == nil ? "renewed" : "enrolled"
            return "\(what) as \(role.rawValue) \(name) with key \(asked.keyDigest.short)"
        }
    }

    /// The token of a request, which may have none; nil where it is not one.
    private static func token(_ request: Request) -> JoinToken?? {
        guard let text = request.token else { return .some(nil) }
        return JoinToken(text).map { .some($0) }
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
