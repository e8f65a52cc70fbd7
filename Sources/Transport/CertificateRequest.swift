import COpenSSL
public import Digests

/// A request for a certificate (PKCS #10): a public key and the proof that its sender holds the private half.
///
/// A name or role that the request asks for is never read: the issuer decides both.
public struct CertificateRequest: Hashable, Sendable {
    /// The most bytes of PEM that are looked at.
    public static let bytesLimit = 8 << 10

    public let pem: String
    /// SHA-256 of the public key, as SubjectPublicKeyInfo.
    public let keyDigest: Digest

    /// A request for one's own key.
    public init(for key: PrivateKey) throws(CertificateError) {
        do throws(OpenSSLError) {
            let pair = try key.load()
            let request = try Owned(X509_REQ_new(), "making a request", free: X509_REQ_free)
            try check(X509_REQ_set_pubkey(request.pointer, pair.pointer), "setting a request's key")
            try check(X509_REQ_sign(request.pointer, pair.pointer, EVP_sha256()), "signing a request")
            self.pem = try PEM.write("writing a request") { PEM_write_bio_X509_REQ($0, request.pointer) }
            self.keyDigest = key.publicKeyDigest
        } catch {
            throw CertificateError("cannot make a certificate request: \(error)")
        }
    }

    /// Reads a request that came from elsewhere and checks its signature.
    ///
    /// - Throws: ``CertificateError`` where it is too long, no request, not signed by its own key, or of a key that is
    ///   not on P-256.
    public init(pem: String) throws(CertificateError) {
        guard pem.utf8.count <= Self.bytesLimit else {
            throw CertificateError("a certificate request has \(pem.utf8.count) bytes, over \(Self.bytesLimit)")
        }
        do {
            let request = try CertificateRequest.read(pem)
            let key = try Owned(X509_REQ_get_pubkey(request.pointer), "reading a request's key", free: EVP_PKEY_free)
            guard CertificateRequest.isP256(key.pointer) else {
                throw CertificateError("the certificate request has a key that is not on the curve P-256")
            }
            guard X509_REQ_verify(request.pointer, key.pointer) == 1 else {
                ERR_clear_error()
                throw CertificateError("the certificate request is not signed by the key that it holds")
            }
            self.pem = pem
            self.keyDigest = try subjectPublicKeyDigest(key.pointer)
        } catch let error as CertificateError {
            throw error
        } catch {
            throw CertificateError("the text is no certificate request: \(error)")
        }
    }

    /// The key that the certificate will be for.
    func key() throws(OpenSSLError) -> Owned {
        let request = try CertificateRequest.read(self.pem)
        return try Owned(X509_REQ_get_pubkey(request.pointer), "reading a request's key", free: EVP_PKEY_free)
    }

    private static func read(_ pem: String) throws(OpenSSLError) -> Owned {
        try PEM.read(pem, "reading a certificate request", free: X509_REQ_free) {
            PEM_read_bio_X509_REQ($0, nil, nil, nil)
        }
    }

    private static func isP256(_ key: OpaquePointer) -> Bool {
        var name = [CChar](repeating: 0, count: 64)
        guard EVP_PKEY_get_base_id(key) == EVP_PKEY_EC, EVP_PKEY_get_group_name(key, &name, name.count, nil) == 1 else {
            ERR_clear_error()
            return false
        }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) == "prime256v1"
    }
}
