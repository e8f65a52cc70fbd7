import COpenSSL
public import Digests
import Foundation

/// A certificate in PEM with what Quintet reads from it. Reading it proves nothing: trust is the handshake's work.
public struct Certificate: Hashable, Sendable {
    public let pem: String
    /// The subject's common name; empty where it has none.
    public let name: String
    /// The one role it carries; nil where there is none or more than one.
    public let role: Role?
    /// SHA-256 of its public key, as SubjectPublicKeyInfo.
    public let keyDigest: Digest
    /// Seconds since 1970 between which it is valid.
    public let validSeconds: ClosedRange<Int64>

    /// - Throws: ``CertificateError`` where the text is no certificate.
    public init(pem: String) throws(CertificateError) {
        do {
            let certificate = try Certificate.read(pem)
            try self.init(pem: pem, certificate.pointer)
        } catch {
            throw CertificateError("the text is no usable certificate in PEM: \(error)")
        }
    }

    /// Reads what OpenSSL holds; `pointer` is only borrowed.
    init(_ pointer: OpaquePointer) throws(CertificateError) {
        do {
            let pem = try PEM.write("writing a certificate") { PEM_write_bio_X509($0, pointer) }
            try self.init(pem: pem, pointer)
        } catch {
            throw CertificateError("cannot read a certificate: \(error)")
        }
    }

    private init(pem: String, _ pointer: OpaquePointer) throws {
        guard let key = X509_get0_pubkey(pointer) else { throw OpenSSLError("reading a certificate's key") }
        self.pem = pem
        self.name = Certificate.commonName(pointer)
        self.role = Certificate.role(pointer)
        self.keyDigest = try subjectPublicKeyDigest(key)
        let from = try Certificate.seconds(X509_get0_notBefore(pointer))
        let until = try Certificate.seconds(X509_get0_notAfter(pointer))
        guard from <= until else { throw CertificateError("it ends before it begins") }
        self.validSeconds = from...until
    }

    /// When half of its life is over: the time to ask for the next one. Seconds since 1970.
    public var renewalSeconds: Int64 {
        self.validSeconds.lowerBound + (self.validSeconds.upperBound - self.validSeconds.lowerBound) / 2
    }

    /// OpenSSL's form of the certificate.
    func load() throws(OpenSSLError) -> Owned { try Certificate.read(self.pem) }

    private static func read(_ pem: String) throws(OpenSSLError) -> Owned {
        try PEM.read(pem, "reading a certificate", free: X509_free) { PEM_read_bio_X509($0, nil, nil, nil) }
    }

    private static func commonName(_ certificate: OpaquePointer) -> String {
        var name = [CChar](repeating: 0, count: PeerName.lengthLimit + 1)
        let subject = X509_get_subject_name(certificate)
        guard X509_NAME_get_text_by_NID(subject, NID_commonName, &name, Int32(name.count)) > 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The role named by the subject's alternative names. Two roles are as good as none: nobody issues that.
    static func role(_ certificate: OpaquePointer) -> Role? {
        guard let names = quintet_alternative_names(certificate) else { return nil }
        defer { GENERAL_NAMES_free(names) }
        var roles: [Role?] = []
        for index in 0..<quintet_names_count(names) {
            var length: Int32 = 0
            guard let start = quintet_names_uri(names, index, &length) else { continue }
            let uri = String(decoding: UnsafeBufferPointer(start: start, count: Int(length)), as: UTF8.self)
            guard uri.hasPrefix(Role.uriPrefix) else { continue }
            roles.append(Role(rawValue: String(uri.dropFirst(Role.uriPrefix.count))))
        }
        return roles.count == 1 ? roles[0] : nil
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) throws -> Int64 {
        var parts = tm()
        try check(ASN1_TIME_to_tm(time, &parts), "reading a certificate's time")
        return Int64(timegm(&parts))
    }
}

/// A certificate, key or request that is not what it should be.
public struct CertificateError: Error, Hashable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}
