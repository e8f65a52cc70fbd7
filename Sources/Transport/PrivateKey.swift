import COpenSSL
public import Digests

/// A key pair on the curve P-256. Its text form is PKCS #8 in PEM, without a password: the file's mode protects it.
public struct PrivateKey: Hashable, Sendable, CustomStringConvertible {
    let pem: String
    /// SHA-256 of the public half, as SubjectPublicKeyInfo.
    public let publicKeyDigest: Digest

    /// A fresh pair.
    public init() throws(CertificateError) {
        do throws(OpenSSLError) {
            let key = try Owned(quintet_generate_p256(), "making a P-256 key", free: EVP_PKEY_free)
            self.pem = try PEM.write("writing a key") {
                PEM_write_bio_PKCS8PrivateKey($0, key.pointer, nil, nil, 0, nil, nil)
            }
            self.publicKeyDigest = try subjectPublicKeyDigest(key.pointer)
        } catch {
            throw CertificateError("cannot make a private key: \(error)")
        }
    }

    init(pem: String) throws(CertificateError) {
        do throws(OpenSSLError) {
            let key = try PrivateKey.read(pem)
            self.pem = pem
            self.publicKeyDigest = try subjectPublicKeyDigest(key.pointer)
        } catch {
            throw CertificateError("the text is no private key in PEM: \(error)")
        }
    }

    /// OpenSSL's form of the key.
    func load() throws(OpenSSLError) -> Owned { try PrivateKey.read(self.pem) }

    /// Never the key itself: a description ends up in logs.
    public var description: String { "private key \(self.publicKeyDigest.short)" }

    private static func read(_ pem: String) throws(OpenSSLError) -> Owned {
        // Without a callback OpenSSL would ask the terminal for the password of an encrypted key.
        try PEM.read(pem, "reading a private key", free: EVP_PKEY_free) {
            quintet_read_private_key($0) { _, _, _, _ in -1 }
        }
    }
}

/// SHA-256 of a public key as SubjectPublicKeyInfo in DER.
func subjectPublicKeyDigest(_ key: OpaquePointer) throws(OpenSSLError) -> Digest {
    let count = i2d_PUBKEY(key, nil)
    try check(count, "encoding a public key")
    var bytes = [UInt8](repeating: 0, count: Int(count))
    let written = bytes.withUnsafeMutableBufferPointer { buffer in
        var position = buffer.baseAddress
        return i2d_PUBKEY(key, &position)
    }
    precondition(written == count, "a public key of \(count) bytes became \(written)")
    return SHA256.hash(bytes)
}
