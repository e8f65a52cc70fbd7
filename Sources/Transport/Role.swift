public import Digests

/// What a certificate lets its owner be. Checked by both sides of every connection.
public enum Role: String, CaseIterable, Codable, Hashable, Sendable {
    /// Owns sweeps and listens.
    case coordinator
    /// Runs shards.
    case worker
    /// A person's commands at a coordinator that runs, such as ban or submit.
    case `operator`

    /// How the role stands in a certificate: a URI among its subject's alternative names.
    var uri: String { Role.uriPrefix + self.rawValue }

    static let uriPrefix = "quintet:role/"
}

/// Who is at the other end of a connection, proved by its certificate.
public struct Peer: Hashable, Sendable, CustomStringConvertible {
    public var role: Role
    /// The name in its certificate; the coordinator chose it.
    public var name: String
    /// SHA-256 of its public key (as SubjectPublicKeyInfo): what stays the same when its certificate is renewed.
    public var keyDigest: Digest
    /// When its certificate ends, in seconds since 1970.
    public var certificateEndSeconds: Int64

    public init(role: Role, name: String, keyDigest: Digest, certificateEndSeconds: Int64) {
        self.role = role
        self.name = name
        self.keyDigest = keyDigest
        self.certificateEndSeconds = certificateEndSeconds
    }

    public var description: String { "\(self.role.rawValue) \(self.name)" }
}

/// The names that certificates carry.
public enum PeerName {
    /// X.509 allows a common name of 64 characters.
    public static let lengthLimit = 64

    /// Letters, digits, `.`, `_` and `-`; 1 to 64 of them, so that a name is safe in logs, paths and certificates.
    public static func isValid(_ name: String) -> Bool {
        let allowed: (Unicode.Scalar) -> Bool = { scalar in
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", ".", "_", "-": true
            default: false
            }
        }
        return (1...self.lengthLimit).contains(name.unicodeScalars.count) && name.unicodeScalars.allSatisfy(allowed)
    }
}
