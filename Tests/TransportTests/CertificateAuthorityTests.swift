import Foundation
import Testing
import TransportTestSupport

@testable import Transport

@Suite(.timeLimit(.minutes(5))) struct CertificateAuthorityTests {
    private let folder = TemporaryFolder()

    @Test func `it is made once, for its owner's eyes alone`() throws {
        let path = "\(self.folder.path)/state"
        let made = try CertificateAuthority(folder: path)
        let opened = try CertificateAuthority(folder: path)
        #expect(opened.certificate == made.certificate)
        #expect(opened.publicKeyDigest == made.publicKeyDigest)
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/\(CertificateAuthority.fileName)")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == [CertificateAuthority.fileName])
        let years = made.certificate.validSeconds.upperBound - currentSeconds()
        #expect(abs(years - CertificateAuthority.authorityValidSeconds) < 60)
    }

    @Test func `processes that make it at once get the same one`() async throws {
        let path = self.folder.path
        let digests = try await withThrowingTaskGroup { group in
            for _ in 0..<8 { group.addTask { try CertificateAuthority(folder: path).publicKeyDigest } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(digests).count == 1 && digests.count == 8)
    }

    @Test func `a damaged file is named, not replaced`() throws {
        let path = try self.folder.file(CertificateAuthority.fileName, "-----BEGIN PRIVATE KEY-----\n")
        let error = #expect(throws: CertificateError.self) { try CertificateAuthority(folder: self.folder.path) }
        #expect(error?.description.contains(path) == true)
        let other = try CertificateAuthority()
        let key = try PrivateKey()
        _ = try self.folder.file(CertificateAuthority.fileName, key.pem + other.certificate.pem)
        #expect(throws: CertificateError.self) { try CertificateAuthority(folder: self.folder.path) }
    }

    @Test func `certificates carry name, role and times`() throws {
        let authority = try CertificateAuthority()
        let now = currentSeconds()
        for role in Role.allCases {
            let certificate = try authority.makeIdentity(role: role, name: "n-\(role.rawValue)", atSeconds: now)
                .certificate
            #expect(certificate.role == role && certificate.name == "n-\(role.rawValue)")
            #expect(certificate.validSeconds == now - 300...now + 30 * 86_400)
            #expect(certificate.renewalSeconds == now + 15 * 86_400 - 150)
        }
        let long = try authority.makeIdentity(role: .worker, name: "n", validSeconds: 99 * 365 * 86_400)
        #expect(long.certificate.validSeconds.upperBound == authority.certificate.validSeconds.upperBound)
    }

    @Test(arguments: ["", "a b", "a/b", "ä", String(repeating: "x", count: 65), "a\u{0}b"])
    func `a bad name gets no certificate`(name: String) throws {
        let authority = try CertificateAuthority()
        #expect(throws: CertificateError.self) { try authority.makeIdentity(role: .worker, name: name) }
    }

    @Test func `an identity survives its folder, under a newer certificate too`() throws {
        let authority = try CertificateAuthority()
        let identity = try authority.makeIdentity(role: .operator, name: "alice")
        #expect(try Identity(folder: self.folder.path) == nil)
        try identity.save(folder: self.folder.path)
        #expect(try Identity(folder: self.folder.path) == identity)
        let next = try authority.issue(CertificateRequest(for: identity.key), role: .operator, name: "alice")
        try identity.renewed(next, authority: identity.authority).save(folder: self.folder.path)
        #expect(try Identity(folder: self.folder.path)?.certificate == next)
        let mode = try FileManager.default.attributesOfItem(atPath: "\(self.folder.path)/\(Identity.fileName)")
        #expect(mode[.posixPermissions] as? Int == 0o600)
        let stranger = try authority.makeIdentity(role: .operator, name: "alice")
        #expect(throws: CertificateError.self) {
            try identity.renewed(stranger.certificate, authority: identity.authority)
        }
    }

    @Test func `neither a key nor an identity prints itself`() throws {
        let identity = try CertificateAuthority().makeIdentity(role: .worker, name: "w")
        #expect("\(identity)" == "worker w")
        #expect(!"\(identity.key)".contains("PRIVATE KEY"))
    }

    @Test func `a request must be signed by its own key`() throws {
        let request = try CertificateRequest(for: PrivateKey())
        #expect(try CertificateRequest(pem: request.pem) == request)
        let body = request.pem.split(separator: "\n").dropFirst().dropLast().joined()
        var bytes = try #require(Data(base64Encoded: body))
        bytes[bytes.count - 3] ^= 1
        let forged =
            "-----BEGIN CERTIFICATE REQUEST-----\n\(bytes.base64EncodedString())\n"
            + "-----END CERTIFICATE REQUEST-----\n"
        #expect(throws: CertificateError.self) { try CertificateRequest(pem: forged) }
        #expect(throws: CertificateError.self) { try CertificateRequest(pem: "hello") }
        #expect(throws: CertificateError.self) { try CertificateRequest(pem: String(repeating: "a", count: 9000)) }
    }

    // Skipped where the program is missing: only others make such requests.
    @Test(.enabled(if: Tool.openssl != nil, "needs the openssl command"))
    func `a request that asks for another role and name gets what was decided`() async throws {
        let pem = try await self.request(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        let certificate = try CertificateAuthority().issue(
            CertificateRequest(pem: pem),
            role: .worker,
            name: "decided"
        )
        #expect(certificate.role == .worker && certificate.name == "decided")
        let openssl = try #require(Tool.openssl)
        let text = try await openssl.run(
            ["x509", "-noout", "-text"],
            input: certificate.pem,
            folder: self.folder
        )
        #expect(text.contains("quintet:role/worker") && !text.contains("coordinator") && !text.contains("evil"))
        #expect(text.contains("CA:FALSE"))
    }

    @Test(.enabled(if: Tool.openssl != nil, "needs the openssl command"))
    func `a request with a key of another kind is refused`() async throws {
        for kind in [["-newkey", "rsa:2048"], ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]] {
            let pem = try await self.request(kind)
            let error = #expect(throws: CertificateError.self) { try CertificateRequest(pem: pem) }
            #expect(error?.description.contains("P-256") == true)
        }
    }

    private func request(_ key: [String]) async throws -> String {
        let openssl = try #require(Tool.openssl)
        let path = "\(self.folder.path)/request-\(UUID().uuidString).pem"
        try await openssl.run(
            ["req", "-new"] + key + [
                "-nodes", "-keyout", "/dev/null", "-subj", "/CN=evil", "-addext",
                "subjectAltName=URI:quintet:role/coordinator", "-out", path,
            ],
            folder: self.folder
        )
        return try String(contentsOfFile: path, encoding: .utf8)
    }
}
