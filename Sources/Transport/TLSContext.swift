import COpenSSL
import Digests
import Foundation

/// The settings of one end of many TLS connections, in OpenSSL's form.
///
/// Sendable without the compiler's proof: nothing changes it after `init`, and OpenSSL counts its references and makes
/// sessions from it under its own lock.
final class TLSContext: @unchecked Sendable {
    /// The protocol of machines that have a certificate, as ALPN names it.
    static let memberProtocol = "quintet/1"
    /// The protocol of machines that ask for one.
    static let enrolmentProtocol = "quintet-enrol/1"

    /// Which end this is, and what it asks of the other one.
    enum End: Sendable {
        /// Takes machines of these roles, and those that enrol where `enrols` is set.
        case listener(admits: Set<Role>, enrols: Bool)
        /// Goes to a coordinator with a certificate.
        case member(admits: Set<Role>)
        /// Goes to a coordinator without one, and believes an authority with this key.
        case enrolling(authorityKeyDigest: Digest)
        /// Goes to a web server of that name.
        case web(host: String)
    }

    let end: End
    let pointer: OpaquePointer
    /// An authority's name: which one a client knows, or a listener's own certificate is from. Nil on the web.
    let authorityName: String?
    /// What a listener is for clients that know another authority only.
    let alternative: TLSContext?

    private init(
        _ end: End,
        authority: Digest? = nil,
        alternative: TLSContext? = nil,
        method: OpaquePointer?,
        minimum: Int32
    ) throws(OpenSSLError) {
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else { throw OpenSSLError("making a TLS context") }
        self.end = end
        self.pointer = context
        self.authorityName = authority.map { "\($0.short).quintet" }
        self.alternative = alternative
        quintet_ctx_harden(context)
        try check(Int32(quintet_ctx_set_minimum(context, minimum)), "setting the least TLS version")
    }

    deinit { SSL_CTX_free(self.pointer) }

    /// - Parameter previous: an identity of another authority that is trusted too, shown to clients that ask for it.
    /// - Throws: ``CertificateError`` where OpenSSL does not take the identity.
    static func listener(
        _ identity: Identity,
        previous: Identity? = nil,
        admits: Set<Role>,
        enrols: Bool
    ) throws(CertificateError) -> TLSContext {
        let end = End.listener(admits: admits, enrols: enrols)
        let alternative = try previous.map { previous throws(CertificateError) in
            try self.listener(previous, trusts: identity.authority, alternative: nil, end)
        }
        return try self.listener(identity, trusts: previous?.authority, alternative: alternative, end)
    }

    private static func listener(
        _ identity: Identity,
        trusts other: Certificate?,
        alternative: TLSContext?,
        _ end: End
    ) throws(CertificateError) -> TLSContext {
        try self.make(identity) { () throws(OpenSSLError) in
            let context = try TLSContext(
                end,
                authority: identity.authority.keyDigest,
                alternative: alternative,
                method: TLS_server_method(),
                minimum: TLS1_3_VERSION
            )
            try context.use(identity)
            if let other { try context.trust(other) }
            context.requireCertificate()
            SSL_CTX_set_client_hello_cb(context.pointer, refuseMissingProtocol, nil)
            try check(Int32(quintet_ctx_on_server_name(context.pointer, selectAuthority)), "hearing a server's name")
            SSL_CTX_set_alpn_select_cb(context.pointer, selectProtocol, nil)
            return context
        }
    }

    /// - Throws: ``CertificateError`` where OpenSSL does not take the identity.
    static func member(_ identity: Identity, admits: Set<Role>) throws(CertificateError) -> TLSContext {
        try self.make(identity) { () throws(OpenSSLError) in
            let context = try TLSContext(
                .member(admits: admits),
                authority: identity.authority.keyDigest,
                method: TLS_client_method(),
                minimum: TLS1_3_VERSION
            )
            try context.use(identity)
            context.requireCertificate()
            try context.offer(self.memberProtocol)
            return context
        }
    }

    static func enrolling(authorityKeyDigest: Digest) throws(OpenSSLError) -> TLSContext {
        let context = try TLSContext(
            .enrolling(authorityKeyDigest: authorityKeyDigest),
            authority: authorityKeyDigest,
            method: TLS_client_method(),
            minimum: TLS1_3_VERSION
        )
        // OpenSSL knows no authority here; the session looks at the chain itself before anything is sent.
        SSL_CTX_set_verify(context.pointer, SSL_VERIFY_NONE, nil)
        try context.offer(self.enrolmentProtocol)
        return context
    }

    /// - Parameter rootsFile: authorities to trust in place of the system's; `SSL_CERT_FILE` replaces those too.
    static func web(host: String, rootsFile: String?) throws(OpenSSLError) -> TLSContext {
        let context = try TLSContext(.web(host: host), method: TLS_client_method(), minimum: TLS1_2_VERSION)
        if let rootsFile {
            try check(SSL_CTX_load_verify_file(context.pointer, rootsFile), "reading the authorities of \(rootsFile)")
        } else {
            try check(SSL_CTX_set_default_verify_paths(context.pointer), "reading the system's authorities")
        }
        SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        try context.offer("http/1.1")
        return context
    }

    private static func make(
        _ identity: Identity,
        _ body: () throws(OpenSSLError) -> TLSContext
    ) throws(CertificateError) -> TLSContext {
        do throws(OpenSSLError) {
            return try body()
        } catch {
            throw CertificateError("OpenSSL does not take the identity of \(identity): \(error)")
        }
    }

    private func use(_ identity: Identity) throws(OpenSSLError) {
        let certificate = try identity.certificate.load()
        let key = try identity.key.load()
        let authority = try identity.authority.load()
        try check(SSL_CTX_use_certificate(self.pointer, certificate.pointer), "using a certificate")
        try check(SSL_CTX_use_PrivateKey(self.pointer, key.pointer), "using a private key")
        // The authority goes along, so that a machine that enrols can compare its hash.
        try check(Int32(quintet_ctx_add_chain(self.pointer, authority.pointer)), "using an authority")
        try self.trust(identity.authority)
    }

    private func trust(_ authority: Certificate) throws(OpenSSLError) {
        let authority = try authority.load()
        try check(
            X509_STORE_add_cert(SSL_CTX_get_cert_store(self.pointer), authority.pointer),
            "trusting an authority"
        )
    }

    private func requireCertificate() {
        SSL_CTX_set_verify(self.pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verifyRole)
    }

    private func offer(_ name: String) throws(OpenSSLError) {
        let list = [UInt8(name.utf8.count)] + Array(name.utf8)
        // Unlike its neighbours this call answers 0 for success.
        guard SSL_CTX_set_alpn_protos(self.pointer, list, UInt32(list.count)) == 0 else {
            throw OpenSSLError("offering \(name)")
        }
    }
}

/// Called for every certificate of the other side's chain, the leaf last: what OpenSSL accepted must have the role.
private let verifyRole: @convention(c) (Int32, OpaquePointer?) -> Int32 = { accepted, store in
    guard accepted == 1, X509_STORE_CTX_get_error_depth(store) == 0 else { return accepted }
    guard let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
        let session = TLSSession.owner(of: OpaquePointer(ssl)),
        let leaf = X509_STORE_CTX_get_current_cert(store)
    else {
        preconditionFailure("a verification without a session")
    }
    guard session.admits(leaf) else {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
        return 0
    }
    return 1
}

/// Called with the first message of a client, before anything is chosen.
private let refuseMissingProtocol:
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
        ssl,
        alert,
        _ in
        var start: UnsafePointer<UInt8>?
        var count = 0
        // A client that cannot speak TLS 1.3 at all is better told so.
        let speaksTLS13 = SSL_client_hello_get0_ext(ssl, 43, &start, &count) == 1
        let namesProtocols = SSL_client_hello_get0_ext(ssl, 16, &start, &count) == 1
        guard speaksTLS13, !namesProtocols, let session = TLSSession.owner(of: ssl) else {
            return SSL_CLIENT_HELLO_SUCCESS
        }
        session.refusal = .applicationProtocol(offered: [])
        alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
        return SSL_CLIENT_HELLO_ERROR
    }

/// Called with the server's name that a client asks for, before anything is shown: the authority that it knows. It
/// changes which certificate is shown, and nothing else.
private let selectAuthority:
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = { ssl, _, _ in
        guard let session = TLSSession.owner(of: ssl), let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
        else { return SSL_TLSEXT_ERR_NOACK }
        if let alternative = session.alternative(for: String(cString: name)) {
            SSL_set_SSL_CTX(ssl, alternative.pointer)
        }
        return SSL_TLSEXT_ERR_OK
    }

/// Called with the application protocols that a client offers, before the server asks for a certificate.
private let selectProtocol:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
        UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
    ) -> Int32 = { ssl, selected, selectedCount, offered, offeredCount, _ in
        guard let session = TLSSession.owner(of: ssl), let offered else {
            preconditionFailure("a choice without a session or an offer")
        }
        var names: [String] = []
        var at = 0
        while at < offeredCount, at + 1 + Int(offered[at]) <= Int(offeredCount) {
            let count = Int(offered[at])
            let name = String(decoding: UnsafeBufferPointer(start: offered + at + 1, count: count), as: UTF8.self)
            if session.accepts(protocol: name) {
                selected?.pointee = offered + at + 1
                selectedCount?.pointee = UInt8(count)
                if name == TLSContext.enrolmentProtocol { SSL_set_verify(ssl, SSL_VERIFY_NONE, nil) }
                return SSL_TLSEXT_ERR_OK
            }
            names.append(String(name.prefix(32)))
            at += 1 + count
        }
        session.refusal = .applicationProtocol(offered: Array(names.prefix(8)))
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
