import COpenSSL
import Digests
import Foundation
import NIOCore

/// One end of one TLS connection, between two buffers: what the network brought, and what it shall carry.
///
/// Knows nothing of sockets, pipelines or time. To be used on one event loop.
final class TLSSession {
    /// What a call led to.
    enum Step {
        /// It is done; there may be more to do.
        case done
        /// The other side must say something first.
        case wantsInput
        /// The other side has said goodbye: it sends nothing more.
        case inputEnded
        case failed(TLSError)
    }

    /// Set by the callbacks of the context, which can only say "no": why.
    var refusal: TLSError.Reason?

    private let context: TLSContext
    private let ssl: OpaquePointer
    /// Both belong to `ssl`.
    private let input: OpaquePointer
    private let output: OpaquePointer

    init(_ context: TLSContext) throws(OpenSSLError) {
        ERR_clear_error()
        guard let ssl = SSL_new(context.pointer) else { throw OpenSSLError("making a TLS session") }
        guard let input = BIO_new(BIO_s_mem()), let output = BIO_new(BIO_s_mem()) else {
            preconditionFailure("no memory for two buffers")
        }
        SSL_set_bio(ssl, input, output)
        self.context = context
        self.ssl = ssl
        self.input = input
        self.output = output
        precondition(quintet_ssl_set_owner(ssl, Unmanaged.passUnretained(self).toOpaque()) == 1)
        switch context.end {
        case .listener: SSL_set_accept_state(ssl)
        case .member, .enrolling:
            SSL_set_connect_state(ssl)
            if let name = context.authorityName {
                try check(Int32(quintet_ssl_set_server_name(ssl, name)), "naming an authority")
            }
        case .web(let host):
            SSL_set_connect_state(ssl)
            try self.expect(host: host)
        }
    }

    deinit { SSL_free(self.ssl) }

    static func owner(of ssl: OpaquePointer?) -> TLSSession? {
        guard let owner = quintet_ssl_owner(ssl) else { return nil }
        return Unmanaged<TLSSession>.fromOpaque(owner).takeUnretainedValue()
    }

    /// An address is compared with the addresses of a certificate, and is never sent as a server's name.
    private func expect(host: String) throws(OpenSSLError) {
        if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(self.ssl), host) == 1 { return }
        ERR_clear_error()
        try check(SSL_set1_host(self.ssl, host), "expecting the host \(host)")
        SSL_set_hostflags(self.ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        try check(Int32(quintet_ssl_set_server_name(self.ssl, host)), "naming the host \(host)")
    }

    // MARK: Questions of the context's callbacks

    func alternative(for authorityName: String) -> TLSContext? {
        self.context.alternative.flatMap { $0.authorityName == authorityName ? $0 : nil }
    }

    func accepts(protocol name: String) -> Bool {
        guard case .listener(_, let enrols) = self.context.end else { return false }
        return name == TLSContext.memberProtocol || (enrols && name == TLSContext.enrolmentProtocol)
    }

    func admits(_ certificate: OpaquePointer) -> Bool {
        let admitted: Set<Role>
        switch self.context.end {
        case .listener(let roles, _), .member(let roles): admitted = roles
        case .enrolling: admitted = [.coordinator]
        case .web: return true
        }
        let role = Certificate.role(certificate)
        if let role, admitted.contains(role) { return true }
        self.refusal = .wrongRole(role, admitted: admitted)
        return false
    }

    // MARK: The network's side

    /// Takes bytes that the network brought.
    func feed(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { source in
            guard !source.isEmpty else { return }
            let count = BIO_write(self.input, source.baseAddress, Int32(source.count))
            precondition(count == source.count, "a memory buffer took \(count) of \(source.count) bytes")
        }
    }

    /// How many bytes wait to be carried.
    var outputBytes: Int { BIO_ctrl_pending(self.output) }

    /// Appends what the network shall carry to `buffer`.
    func drain(into buffer: inout ByteBuffer) {
        while case let pending = self.outputBytes, pending > 0 {
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: pending) { target in
                let count = BIO_read(self.output, target.baseAddress, Int32(clamping: target.count))
                precondition(count > 0, "\(pending) bytes were pending, and none came")
                return Int(count)
            }
        }
    }

    // MARK: The application's side

    func handshake() -> Step {
        ERR_clear_error()
        let result = SSL_do_handshake(self.ssl)
        return result == 1 ? .done : self.step(after: result, "the handshake")
    }

    /// Appends at most one record of plain bytes to `buffer`.
    func read(into buffer: inout ByteBuffer) -> Step {
        ERR_clear_error()
        var result: Int32 = 0
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(SSL3_RT_MAX_PLAIN_LENGTH)) { target in
            var count = 0
            result = SSL_read_ex(self.ssl, target.baseAddress, target.count, &count)
            return result == 1 ? count : 0
        }
        return result == 1 ? .done : self.step(after: result, "reading")
    }

    /// Appends the records of all of `plain` to `buffer`.
    func write(_ plain: ByteBuffer, into buffer: inout ByteBuffer) -> Step {
        // In pieces, so that the buffer between OpenSSL and us stays small whatever the frame.
        let pieceBytes = 4 * Int(SSL3_RT_MAX_PLAIN_LENGTH)
        var plain = plain
        while let piece = plain.readSlice(length: min(pieceBytes, plain.readableBytes)), piece.readableBytes > 0 {
            ERR_clear_error()
            var count = 0
            let result = piece.withUnsafeReadableBytes { SSL_write_ex(self.ssl, $0.baseAddress, $0.count, &count) }
            guard result == 1 else { return self.step(after: result, "writing") }
            precondition(count == piece.readableBytes, "\(count) of \(piece.readableBytes) bytes were written")
            self.drain(into: &buffer)
        }
        return .done
    }

    /// Says goodbye. What the other side still sends can be read on.
    func sayGoodbye() {
        ERR_clear_error()
        // Negative only where the session has failed already, and then nothing need be said.
        _ = SSL_shutdown(self.ssl)
    }

    private func step(after result: Int32, _ operation: String) -> Step {
        switch SSL_get_error(self.ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsInput
        case SSL_ERROR_ZERO_RETURN: return .inputEnded
        default:
            let error = OpenSSLError(operation)
            if let refusal = self.refusal { return .failed(TLSError(refusal)) }
            let verdict = SSL_get_verify_result(self.ssl)
            switch self.context.end {
            case .web(let host): return .failed(TLSError(verdict: verdict, host: host, error))
            case .listener, .member: return .failed(TLSError(verdict: verdict, host: nil, error))
            // OpenSSL was given no authority to judge by.
            case .enrolling: return .failed(TLSError(TLSError.Reason(error.entries)))
            }
        }
    }

    // MARK: After the handshake

    /// Which application protocol was agreed on; empty where none was.
    var applicationProtocol: String {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(self.ssl, &start, &count)
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    /// Who the other side is, once the handshake is done; nil where it has no certificate of a cluster and needs none.
    ///
    /// - Throws: ``TLSError`` where it is not whom this end must speak with.
    func identifyPeer() throws -> Peer? {
        switch self.context.end {
        case .web: return nil
        case .listener where self.applicationProtocol == TLSContext.enrolmentProtocol: return nil
        case .listener, .member: break
        case .enrolling(let digest): try self.checkChain(for: digest)
        }
        // An end that does not choose one of our protocols is no coordinator, whatever its certificate.
        guard !self.applicationProtocol.isEmpty else { throw TLSError(.applicationProtocol(offered: [])) }
        guard let leaf = SSL_get0_peer_certificate(self.ssl) else { throw TLSError(.noCertificate) }
        guard self.admits(leaf), let certificate = try? Certificate(leaf), let role = certificate.role else {
            throw TLSError(self.refusal ?? .certificateInvalid("it cannot be read"))
        }
        return Peer(
            role: role,
            name: certificate.name,
            keyDigest: certificate.keyDigest,
            certificateEndSeconds: certificate.validSeconds.upperBound
        )
    }

    /// The chain must hold an authority with the key that the join line names, and the leaf must be its work.
    private func checkChain(for digest: Digest) throws {
        guard let chain = SSL_get_peer_cert_chain(self.ssl), let leaf = SSL_get0_peer_certificate(self.ssl) else {
            throw TLSError(.noCertificate)
        }
        let authority = (0..<quintet_certificates_count(chain)).lazy
            .compactMap { quintet_certificates_at(chain, $0) }
            .first { certificate in
                guard let key = X509_get0_pubkey(certificate) else { return false }
                return (try? subjectPublicKeyDigest(key)) == digest
            }
        guard let authority else { throw TLSError(.otherAuthorityThanJoinLine) }
        let store = try Owned(X509_STORE_new(), "making a store", free: X509_STORE_free)
        try check(X509_STORE_add_cert(store.pointer, authority), "trusting an authority")
        let verification = try Owned(X509_STORE_CTX_new(), "making a verification", free: X509_STORE_CTX_free)
        try check(X509_STORE_CTX_init(verification.pointer, store.pointer, leaf, nil), "starting a verification")
        try check(X509_STORE_CTX_set_default(verification.pointer, "ssl_server"), "starting a verification")
        guard X509_verify_cert(verification.pointer) == 1 else {
            throw TLSError(TLSError.Reason(verdict: X509_STORE_CTX_get_error(verification.pointer), host: nil))
        }
    }
}
