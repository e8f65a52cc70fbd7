import COpenSSL

/// Why a TLS connection was refused or ended.
public struct TLSError: Error, Hashable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// The other side showed no certificate where one is required.
        case noCertificate
        /// Its certificate is from another authority.
        case unknownAuthority
        /// The authority that it shows is not the one whose hash the join line carries.
        case otherAuthorityThanJoinLine
        /// Its certificate is good, but for another role (nil: for none).
        case wrongRole(Role?, admitted: Set<Role>)
        case certificateExpired
        case certificateNotYetValid
        /// HTTPS: the certificate is for other names.
        case hostNameMismatch(String)
        case certificateInvalid(String)
        /// It does not speak the TLS version that is required.
        case protocolVersion
        /// It offers no application protocol that is spoken here; empty where it offers none at all.
        case applicationProtocol(offered: [String])
        case handshakeTimeout(seconds: Double)
        /// Its first bytes are no TLS.
        case notTLS
        /// It told us that it refuses us.
        case refused(alert: String)
        /// The connection ended inside the handshake.
        case endedInHandshake
        /// The connection ended without the goodbye of TLS: what came before it may be cut short.
        case truncated
        /// It broke the rules of TLS.
        case violation(String)
    }

    public var reason: Reason

    public init(_ reason: Reason) { self.reason = reason }

    public var description: String {
        switch self.reason {
        case .noCertificate:
            "it sent no client certificate: a machine joins with the line that the coordinator prints"
        case .unknownAuthority:
            "its certificate is from an authority that is not trusted here"
        case .otherAuthorityThanJoinLine:
            "the authority there is not the one that the join line names: take a new line from the coordinator"
        case .wrongRole(let role, let admitted):
            "its certificate is for \(role.map { "the role \($0.rawValue)" } ?? "no role"), and this end takes only "
                + admitted.map(\.rawValue).sorted().joined(separator: " or ")
        case .certificateExpired: "its certificate has expired (or a clock is wrong)"
        case .certificateNotYetValid: "its certificate is not valid yet: compare the clocks of both machines"
        case .hostNameMismatch(let host): "its certificate is not for \(host)"
        case .certificateInvalid(let why): "its certificate is not acceptable: \(why)"
        case .protocolVersion: "it does not offer the TLS version that is required here"
        case .applicationProtocol(let offered):
            offered.isEmpty
                ? "it names no application protocol (ALPN)"
                : "it offers only unknown application protocols (ALPN): \(offered.joined(separator: ", "))"
        case .handshakeTimeout(let seconds): "the TLS handshake was not over after \(seconds) s"
        case .notTLS: "its bytes are not TLS: it is plain text, or another program's port"
        case .refused(let alert): "the other side refused this one: \(alert)"
        case .endedInHandshake: "the connection ended before the TLS handshake was over"
        case .truncated: "the connection was cut off without a goodbye"
        case .violation(let what): "it broke the rules of TLS: \(what)"
        }
    }
}

extension TLSError {
    /// Reads what OpenSSL left after a failed call: the verdict on the certificate first, because the error queue
    /// only says that there was one.
    init(verdict: Int, host: String?, _ error: OpenSSLError) {
        if verdict != Int(X509_V_OK) {
            self.init(Reason(verdict: Int32(verdict), host: host))
        } else {
            self.init(Reason(error.entries))
        }
    }
}

extension TLSError.Reason {
    /// What X509_verify_cert thought.
    init(verdict: Int32, host: String?) {
        switch verdict {
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .certificateExpired
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .certificateNotYetValid
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_CERT_UNTRUSTED, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            self = .unknownAuthority
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            self = .hostNameMismatch(host ?? "this host")
        default:
            self = .certificateInvalid(String(cString: X509_verify_cert_error_string(Int(verdict))))
        }
    }

    /// What the error queue says.
    init(_ entries: [OpenSSLError.Entry]) {
        for entry in entries where entry.library == ERR_LIB_SSL {
            switch entry.reason {
            case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
                self = .noCertificate
                return
            case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE,
                SSL_R_UNKNOWN_PROTOCOL:
                self = .protocolVersion
                return
            case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
                SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_RECORD_LENGTH_MISMATCH:
                self = .notTLS
                return
            case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
                self = .protocolVersion
                return
            case let code where code >= SSL_AD_REASON_OFFSET:
                let alert = code - SSL_AD_REASON_OFFSET
                self = .refused(alert: "\(String(cString: SSL_alert_desc_string_long(alert))) (alert \(alert))")
                return
            default: continue
            }
        }
        self = .violation(entries.last?.text ?? "no reason given")
    }
}
