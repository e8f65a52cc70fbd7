public import Digests
public import Files
import Foundation

/// What a process proves itself with: its key, its certificate, and the authority that it trusts.
public struct Identity: Hashable, Sendable, CustomStringConvertible {
    /// The file's name inside its folder.
    public static let fileName = "identity.pem"

    public let key: PrivateKey
    public let certificate: Certificate
    public let authority: Certificate
    /// Authorities that the one now has taken the place of, the latest first.
    public let formerAuthorities: [Certificate]
    public let role: Role

    /// How many former authorities are remembered.
    private static let formerAuthoritiesLimit = 4

    /// - Throws: ``CertificateError`` where the certificate is for another key or carries no role.
    public init(
        key: PrivateKey,
        certificate: Certificate,
        authority: Certificate,
        formerAuthorities: [Certificate] = []
    ) throws(CertificateError) {
        guard certificate.keyDigest == key.publicKeyDigest else {
            throw CertificateError("the certificate of \(certificate.name) is for another key")
        }
        guard let role = certificate.role else {
            throw CertificateError("the certificate of \(certificate.name) carries no role")
        }
        self.key = key
        self.certificate = certificate
        self.authority = authority
        self.formerAuthorities = Array(formerAuthorities.prefix(Self.formerAuthoritiesLimit))
        self.role = role
    }

    /// The identity that a folder holds, or nil where it has none yet.
    ///
    /// - Throws: `StorageError` or ``CertificateError``, which name the file.
    public init?(folder: String, file: String = fileName) throws {
        let path = "\(folder)/\(file)"
        guard let text = try KeyFile.read(path) else { return nil }
        let blocks = PEM.blocks(text)
        guard (3...3 + Self.formerAuthoritiesLimit).contains(blocks.count) else {
            throw CertificateError("\(path) should hold a key and two certificates, not \(blocks.count) blocks of PEM")
        }
        do {
            try self.init(
                key: PrivateKey(pem: blocks[0]),
                certificate: Certificate(pem: blocks[1]),
                authority: Certificate(pem: blocks[2]),
                formerAuthorities: blocks[3...].map { pem throws(CertificateError) in try Certificate(pem: pem) }
            )
        } catch {
            throw CertificateError("\(path) is damaged: \(error); remove it and join again")
        }
    }

    /// Writes the identity into a folder (mode 0600, one durable step), in place of what is there.
    public func save(folder: String, as file: String = fileName) throws(StorageError) {
        let certificates = [self.certificate, self.authority] + self.formerAuthorities
        let text = self.key.pem + certificates.map(\.pem).joined()
        try KeyFile.write(text, to: "\(folder)/\(file)")
    }

    /// Whether it is of the cluster whose authority had this key when a machine joined, however often that was replaced.
    public func isOfCluster(authorityKeyDigest: Digest) -> Bool {
        ([self.authority] + self.formerAuthorities).contains { $0.keyDigest == authorityKeyDigest }
    }

    /// The name in its certificate.
    public var name: String { self.certificate.name }

    /// The same key, name and role under a newer certificate, maybe of a newer authority.
    ///
    /// - Throws: ``CertificateError`` where the certificate is for somebody else.
    public func renewed(_ certificate: Certificate, authority: Certificate) throws(CertificateError) -> Identity {
        let former = authority.keyDigest == self.authority.keyDigest ? [] : [self.authority]
        let identity = try Identity(
            key: self.key,
            certificate: certificate,
            authority: authority,
            formerAuthorities: former + self.formerAuthorities
        )
        guard identity.name == self.name, identity.role == self.role else {
            throw CertificateError("the new certificate of \(self) is for \(identity)")
        }
        return identity
    }

    /// Never the key: a description ends up in logs.
    public var description: String { "\(self.role.rawValue) \(self.name)" }
}
