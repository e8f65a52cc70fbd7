import Foundation

/// What a process proves itself with: its key, its certificate, and the authority that it trusts.
public struct Identity: Hashable, Sendable, CustomStringConvertible {
    /// The file's name inside its folder.
    public static let fileName = "identity.pem"

    public let key: PrivateKey
    public let certificate: Certificate
    public let authority: Certificate
    public let role: Role

    /// - Throws: ``CertificateError`` where the certificate is for another key or carries no role.
    public init(key: PrivateKey, certificate: Certificate, authority: Certificate) throws(CertificateError) {
        guard certificate.keyDigest == key.publicKeyDigest else {
            throw CertificateError("the certificate of \(certificate.name) is for another key")
        }
        guard let role = certificate.role else {
            throw CertificateError("the certificate of \(certificate.name) carries no role")
        }
        self.key = key
        self.certificate = certificate
        self.authority = authority
        self.role = role
    }

    /// The identity that a folder holds, or nil where it has none yet.
    ///
    /// - Throws: ``PrivateFileError`` or ``CertificateError``, which name the file.
    public init?(folder: String) throws {
        let path = "\(folder)/\(Self.fileName)"
        guard let text = try PrivateFile.read(path) else { return nil }
        let blocks = PEM.blocks(text)
        guard blocks.count == 3 else {
            throw CertificateError("\(path) should hold a key and two certificates, not \(blocks.count) blocks of PEM")
        }
        do {
            try self.init(
                key: PrivateKey(pem: blocks[0]),
                certificate: Certificate(pem: blocks[1]),
                authority: Certificate(pem: blocks[2])
            )
        } catch {
            throw CertificateError("\(path) is damaged: \(error); remove it and join again")
        }
    }

    /// Writes the identity into a folder (mode 0600, one durable step), in place of what is there.
    public func save(folder: String) throws(PrivateFileError) {
        let text = self.key.pem + self.certificate.pem + self.authority.pem
        _ = try PrivateFile.write(text, to: "\(folder)/\(Self.fileName)", replacing: true)
    }

    /// The name in its certificate.
    public var name: String { self.certificate.name }

    /// The same key under a newer certificate.
    public func renewed(_ certificate: Certificate) throws(CertificateError) -> Identity {
        try Identity(key: self.key, certificate: certificate, authority: self.authority)
    }

    /// Never the key: a description ends up in logs.
    public var description: String { "\(self.role.rawValue) \(self.name)" }
}
