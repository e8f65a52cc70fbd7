public import Digests
import Foundation

/// The one line that lets a machine join: where the coordinator is, a token, and which authority to trust.
///
///     quintet-join:1:HOST:PORT:TOKEN:HASH
///
/// HOST is a name or an address (IPv6 in brackets), TOKEN 32 hexadecimal digits, HASH the SHA-256 of the authority's
/// public key in 64. Whoever has the line can join until its token is spent.
public struct JoinLine: Hashable, Sendable, LosslessStringConvertible {
    public var host: String
    public var port: Int
    public var token: JoinToken
    public var authorityKeyDigest: Digest

    public init(host: String, port: Int, token: JoinToken, authorityKeyDigest: Digest) {
        self.host = host
        self.port = port
        self.token = token
        self.authorityKeyDigest = authorityKeyDigest
    }

    public var description: String {
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return "\(Self.prefix):\(Self.version):\(host):\(self.port):\(self.token):\(self.authorityKeyDigest)"
    }

    /// Nil where ``init(parsing:)`` throws.
    public init?(_ description: String) {
        guard let line = try? JoinLine(parsing: description) else { return nil }
        self = line
    }

    /// - Throws: ``JoinLineError``, which says which part is wrong and never repeats the token.
    public init(parsing text: String) throws(JoinLineError) {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard text.utf8.count <= Self.lengthLimit, text.hasPrefix(Self.prefix + ":") else {
            throw JoinLineError("it does not begin with \(Self.prefix):")
        }
        let versioned = text.dropFirst(Self.prefix.count + 1).split(
            separator: ":",
            maxSplits: 1,
            omittingEmptySubsequences: false
        )
        guard versioned.count == 2, versioned[0] == String(Self.version) else {
            throw JoinLineError(
                "its version is \"\(versioned[0].prefix(8))\" and this quintet knows only \(Self.version): "
                    + "run the same version on both machines"
            )
        }
        let (host, rest) = try Self.takeHost(versioned[1])
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3 else {
            throw JoinLineError("it should have six parts between colons: was the end of the line cut off?")
        }
        guard let port = Int(parts[0]), (1...65_535).contains(port) else {
            throw JoinLineError("its port is no number from 1 to 65535")
        }
        guard let token = JoinToken(String(parts[1])) else {
            throw JoinLineError("its token is not 32 hexadecimal digits")
        }
        guard let digest = Digest(String(parts[2])) else {
            throw JoinLineError("its last part is not 64 hexadecimal digits: was the end of the line cut off?")
        }
        self.init(host: host, port: port, token: token, authorityKeyDigest: digest)
    }

    private static let prefix = "quintet-join"
    private static let version = 1
    /// A host name has at most 253 characters.
    private static let lengthLimit = 512

    private static func takeHost(_ text: Substring) throws(JoinLineError) -> (host: String, rest: Substring) {
        let end: Substring.Index?
        let host: Substring
        if text.hasPrefix("[") {
            let bracket = text.firstIndex(of: "]")
            host = text[..<(bracket ?? text.endIndex)].dropFirst()
            end = bracket.map { text.index(after: $0) }
        } else {
            end = text.firstIndex(of: ":")
            host = text[..<(end ?? text.endIndex)]
        }
        guard let end, end < text.endIndex, text[end] == ":" else {
            throw JoinLineError("it ends inside its address")
        }
        let isPlain = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "[") }
        guard !host.isEmpty, host.utf8.count <= 253, isPlain else {
            // Where a colon is missing, the token is part of it.
            throw JoinLineError("what should be its address is no host name or address")
        }
        return (String(host), text[text.index(after: end)...])
    }
}

/// The right to join: 128 bits from the operating system's generator. A coordinator stores only its digest.
public struct JoinToken: Hashable, Sendable, LosslessStringConvertible {
    /// 32 hexadecimal digits of lower case.
    public let description: String

    /// A fresh token.
    public init() {
        self.description = randomBytes(16).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// Reads 32 hexadecimal digits of lower case; anything else gives nil.
    public init?(_ description: String) {
        let isHexadecimal = description.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
        guard description.utf8.count == 32, isHexadecimal else { return nil }
        self.description = description
    }

    /// What a coordinator keeps and compares: SHA-256 of the text.
    public var digest: Digest { SHA256.hash(self.description) }
}

/// A join line that cannot be read.
public struct JoinLineError: Error, Hashable, CustomStringConvertible {
    public var reason: String

    init(_ reason: String) { self.reason = reason }

    public var description: String {
        "this is no join line: \(self.reason). Copy the whole line that the coordinator printed"
    }
}
