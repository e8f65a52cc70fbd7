import COpenSSL
public import Digests
import Foundation

/// The coordinator's own certificate authority: what makes a machine part of this cluster and of no other.
///
/// It lives in one file, key and certificate together, of mode 0600. Whoever reads that file can issue certificates.
public struct CertificateAuthority: Sendable {
    /// The file's name inside its folder.
    public static let fileName = "authority.pem"
    /// Ten years.
    public static let authorityValidSeconds: Int64 = 3652 * 86_400
    /// Thirty days.
    public static let certificateValidSeconds: Int64 = 30 * 86_400
    /// Certificates begin a little before they are made, because clocks differ.
    public static let backdateSeconds: Int64 = 300

    public let certificate: Certificate
    private let key: PrivateKey

    /// SHA-256 of the authority's public key, which a join line carries.
    public var publicKeyDigest: Digest { self.key.publicKeyDigest }

    /// Opens the authority of a folder, or makes it on first use; of two processes that make it at once, both get the
    /// one that came first.
    ///
    /// - Throws: `StorageError` or ``CertificateError``, which name the file.
    public init(folder: String, atSeconds now: Int64 = currentSeconds()) throws {
        let path = "\(folder)/\(Self.fileName)"
        if let text = try KeyFile.read(path) {
            self = try CertificateAuthority(text: text, path: path)
            return
        }
        let made = try CertificateAuthority(atSeconds: now)
        let text = made.key.pem + made.certificate.pem
        if try KeyFile.create(text, at: path) {
            self = made
        } else if let text = try KeyFile.read(path) {
            self = try CertificateAuthority(text: text, path: path)
        } else {
            throw CertificateError("\(path) comes and goes: another program is at work in that folder")
        }
    }

    /// Gives a folder that has no authority a copy of another folder's, which may hold links.
    ///
    /// - Throws: `StorageError` or ``CertificateError``, which name the file.
    public static func copy(from source: String, to folder: String) throws {
        let path = "\(source)/\(self.fileName)"
        guard let text = try KeyFile.read(path, followsLinks: true) else {
            throw CertificateError("there is no \(path): quintet invite makes one in a state folder's authority")
        }
        _ = try CertificateAuthority(text: text, path: path)
        _ = try KeyFile.create(text, at: "\(folder)/\(self.fileName)")
    }

    /// Makes a new authority in place of a folder's, for when the old one's file may have been read by others. Lines that
    /// let machines join name the new one from now on; workers that know the old one are still served until the window
    /// ends, and get certificates of the new one when they renew theirs.
    ///
    /// The old authority's key is gone after this. What is left of it is one identity of the coordinator's.
    public static func rotate(
        folder: String,
        windowSeconds: Int64 = certificateValidSeconds,
        atSeconds now: Int64 = currentSeconds()
    ) throws -> CertificateAuthority {
        let old = try CertificateAuthority(folder: folder, atSeconds: now)
        let made = try CertificateAuthority(atSeconds: now)
        // Whenever this stops, the folder holds an authority that works.
        try old.makeIdentity(role: .coordinator, name: "coordinator", validSeconds: windowSeconds, atSeconds: now)
            .save(folder: folder, as: self.previousFileName)
        let path = "\(folder)/\(self.fileName)"
        try KeyFile.write(made.key.pem + made.certificate.pem, to: path)
        return made
    }

    /// The coordinator's identity of the authority before this one, while its window lasts.
    public func previousIdentity(folder: String, atSeconds now: Int64 = currentSeconds()) throws -> Identity? {
        guard let identity = try Identity(folder: folder, file: Self.previousFileName),
            identity.authority.keyDigest != self.publicKeyDigest, now < identity.certificate.validSeconds.upperBound
        else { return nil }
        return identity
    }

    private static let previousFileName = "previous.pem"

    /// An authority that lives in memory alone.
    public init(atSeconds now: Int64 = currentSeconds()) throws(CertificateError) {
        self.key = try PrivateKey()
        let pem: String
        do throws(OpenSSLError) {
            let pair = try self.key.load()
            let draft = try CertificateDraft(
                validSeconds: now - Self.backdateSeconds...now + Self.authorityValidSeconds
            )
            // A name of its own lets a verifier say "another authority" and not "bad signature".
            try draft.setSubject("Quintet authority \(self.key.publicKeyDigest.short)")
            try draft.setIssuer(X509_get_subject_name(draft.pointer))
            try draft.setKey(pair.pointer)
            try draft.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", issuer: draft.pointer)
            try draft.add(NID_key_usage, "critical,keyCertSign,cRLSign", issuer: draft.pointer)
            try draft.add(NID_subject_key_identifier, "hash", issuer: draft.pointer)
            pem = try draft.signed(by: pair.pointer)
        } catch {
            throw CertificateError("cannot make a certificate authority: \(error)")
        }
        self.certificate = try Certificate(pem: pem)
    }

    private init(text: String, path: String) throws(CertificateError) {
        let blocks = PEM.blocks(text)
        guard blocks.count == 2 else {
            throw CertificateError("\(path) should hold a key and a certificate, not \(blocks.count) blocks of PEM")
        }
        self.key = try PrivateKey(pem: blocks[0])
        self.certificate = try Certificate(pem: blocks[1])
        guard self.certificate.keyDigest == self.key.publicKeyDigest else {
            throw CertificateError("\(path) holds a certificate for another key: restore the file from a backup")
        }
    }

    /// Issues a certificate for the key of a request; name and role are the caller's decision alone.
    ///
    /// - Parameter validSeconds: how long it lasts from now; never longer than the authority itself.
    public func issue(
        _ request: CertificateRequest,
        role: Role,
        name: String,
        validSeconds: Int64 = certificateValidSeconds,
        atSeconds now: Int64 = currentSeconds()
    ) throws(CertificateError) -> Certificate {
        guard PeerName.isValid(name) else {
            throw CertificateError(
                "\"\(name.prefix(80))\" is no name for a certificate: use 1 to 64 of A-Z a-z 0-9 . _ -"
            )
        }
        let last = min(now + validSeconds, self.certificate.validSeconds.upperBound)
        guard now - Self.backdateSeconds <= last else {
            throw CertificateError("the certificate authority has expired: remove its file to make a new one")
        }
        let pem: String
        do throws(OpenSSLError) {
            let authority = try self.certificate.load()
            let pair = try self.key.load()
            let draft = try CertificateDraft(validSeconds: now - Self.backdateSeconds...last)
            try draft.setSubject(name)
            try draft.setIssuer(X509_get_subject_name(authority.pointer))
            let key = try request.key()
            try draft.setKey(key.pointer)
            try draft.add(NID_basic_constraints, "critical,CA:FALSE", issuer: authority.pointer)
            try draft.add(NID_key_usage, "critical,digitalSignature", issuer: authority.pointer)
            // Both uses for every role: it is the role that decides who listens, and its error says so.
            try draft.add(NID_ext_key_usage, "serverAuth,clientAuth", issuer: authority.pointer)
            try draft.add(NID_subject_key_identifier, "hash", issuer: authority.pointer)
            try draft.add(NID_authority_key_identifier, "keyid:always", issuer: authority.pointer)
            try draft.add(NID_subject_alt_name, "URI:\(role.uri)", issuer: authority.pointer)
            pem = try draft.signed(by: pair.pointer)
        } catch {
            throw CertificateError("cannot issue a certificate for \(name): \(error)")
        }
        return try Certificate(pem: pem)
    }

    /// A key and its certificate at once, for a role on this machine.
    public func makeIdentity(
        role: Role,
        name: String,
        validSeconds: Int64 = certificateValidSeconds,
        atSeconds now: Int64 = currentSeconds()
    ) throws(CertificateError) -> Identity {
        let key = try PrivateKey()
        let certificate = try self.issue(
            CertificateRequest(for: key),
            role: role,
            name: name,
            validSeconds: validSeconds,
            atSeconds: now
        )
        return try Identity(key: key, certificate: certificate, authority: self.certificate)
    }
}

/// Seconds since 1970, now.
public func currentSeconds() -> Int64 { Int64(Date().timeIntervalSince1970) }

/// A certificate that is being written.
private struct CertificateDraft: ~Copyable {
    private let certificate: Owned

    var pointer: OpaquePointer { self.certificate.pointer }

    init(validSeconds: ClosedRange<Int64>) throws(OpenSSLError) {
        let certificate = try Owned(X509_new(), "making a certificate", free: X509_free)
        try check(X509_set_version(certificate.pointer, 2), "setting a certificate's version")  // 2 means version 3
        var serial = randomBytes(16)
        serial[0] &= 0x7f  // a serial number is positive
        let number = try Owned(BN_bin2bn(serial, Int32(serial.count), nil), "making a serial number", free: BN_free)
        guard BN_to_ASN1_INTEGER(number.pointer, X509_get_serialNumber(certificate.pointer)) != nil else {
            throw OpenSSLError("setting a serial number")
        }
        let from = ASN1_TIME_set(nil, Int(validSeconds.lowerBound))
        let until = ASN1_TIME_set(nil, Int(validSeconds.upperBound))
        defer {
            ASN1_TIME_free(from)
            ASN1_TIME_free(until)
        }
        try check(X509_set1_notBefore(certificate.pointer, from), "setting a certificate's begin")
        try check(X509_set1_notAfter(certificate.pointer, until), "setting a certificate's end")
        self.certificate = certificate
    }

    func setSubject(_ name: String) throws(OpenSSLError) {
        let bytes = Array(name.utf8)
        try check(
            X509_NAME_add_entry_by_NID(
                X509_get_subject_name(self.pointer),
                NID_commonName,
                MBSTRING_UTF8,
                bytes,
                Int32(bytes.count),
                -1,
                0
            ),
            "setting a certificate's name"
        )
    }

    func setIssuer(_ name: OpaquePointer?) throws(OpenSSLError) {
        try check(X509_set_issuer_name(self.pointer, name), "setting a certificate's issuer")
    }

    func setKey(_ key: OpaquePointer) throws(OpenSSLError) {
        try check(X509_set_pubkey(self.pointer, key), "setting a certificate's key")
    }

    /// `value` is in the words of OpenSSL's configuration files.
    func add(_ kind: Int32, _ value: String, issuer: OpaquePointer) throws(OpenSSLError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, self.pointer, nil, nil, 0)
        let extending = try Owned(
            X509V3_EXT_nconf_nid(nil, &context, kind, value),
            "making the extension \(value)",
            free: X509_EXTENSION_free
        )
        try check(X509_add_ext(self.pointer, extending.pointer, -1), "adding the extension \(value)")
    }

    func signed(by key: OpaquePointer) throws(OpenSSLError) -> String {
        try check(X509_sign(self.pointer, key, EVP_sha256()), "signing a certificate")
        return try PEM.write("writing a certificate") { PEM_write_bio_X509($0, self.pointer) }
    }
}
