import Foundation
import NIOCore
import NIOHTTP1

/// Fetches files over HTTPS: TLS 1.2 or newer, the system's authorities, the host's name checked, HTTP/1.1.
///
/// A download that was interrupted goes on where it stopped, where the server can and the file is still the same
/// there (its `ETag` says so). Proxies, cookies, compression and passwords are not spoken.
public struct HTTPSClient: Sendable {
    public struct Limits: Hashable, Sendable {
        /// How long until the host is found and connected, and again until TLS stands.
        public var connectSeconds: Double
        /// How long the server may send nothing.
        public var idleSeconds: Double
        public var redirects: Int

        public init(connectSeconds: Double = 10, idleSeconds: Double = 30, redirects: Int = 5) {
            self.connectSeconds = connectSeconds
            self.idleSeconds = idleSeconds
            self.redirects = redirects
        }
    }

    private let limits: Limits
    private let rootsFile: String?

    /// - Parameter rootsFile: a PEM file of authorities to trust instead of the system's. Without it OpenSSL's own
    ///   places are used, which the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace.
    public init(limits: Limits = Limits(), rootsFile: String? = nil) {
        self.limits = limits
        self.rootsFile = rootsFile
    }

    /// Brings a file to `path`, going on with what an earlier call left there.
    ///
    /// While it is not whole, `path.etag` beside it holds which version of the file it is a part of.
    ///
    /// - Parameters:
    ///   - bytesLimit: the most bytes that the whole file may have.
    ///   - progress: called with the bytes that are here, and how many there will be where the server says so.
    /// - Returns: the number of bytes of the whole file.
    /// - Throws: ``HTTPSError``; what has come so far stays for the next call.
    @discardableResult
    public func download(
        _ address: String,
        to path: String,
        bytesLimit: Int64,
        progress: @Sendable (_ bytes: Int64, _ total: Int64?) -> Void = { _, _ in }
    ) async throws -> Int64 {
        let file = try PartialFile(path: path, bytesLimit: bytesLimit)
        // Twice: a server that cannot go on from our part is asked for the whole.
        for _ in 0..<2 {
            let headers = file.rangeHeaders
            let isWhole = try await self.following(address, headers: headers) { address, head, body in
                try await file.take(head, &body, from: address, askedForRange: !headers.isEmpty, progress: progress)
            }
            if isWhole { return try file.finish() }
            try file.restart()
        }
        throw HTTPSError("\(address) cannot be fetched: the server keeps refusing the part that is asked for")
    }

    /// Sends a request, and again to where it is sent on to.
    private func following(
        _ text: String,
        headers: [(String, String)],
        use: (HTTPSAddress, HTTPResponseHead, inout HTTPSExchange.Body) async throws -> Bool
    ) async throws -> Bool {
        var address = try HTTPSAddress(text)
        for _ in 0...self.limits.redirects {
            let from = address
            let step = try await HTTPSExchange.get(
                address,
                headers: headers,
                rootsFile: self.rootsFile,
                limits: self.limits
            ) { head, body in
                guard [301, 302, 303, 307, 308].contains(head.status.code) else {
                    return Step.done(try await use(from, head, &body))
                }
                guard let location = head.headers.first(name: "Location") else {
                    throw HTTPSError("\(from) sends on to nowhere", status: Int(head.status.code))
                }
                return Step.onward(try HTTPSAddress(location, relativeTo: from))
            }
            switch step {
            case .done(let outcome): return outcome
            case .onward(let next): address = next
            }
        }
        throw HTTPSError("\(text) sends on more than \(self.limits.redirects) times")
    }

    private enum Step: Sendable {
        case done(Bool)
        case onward(HTTPSAddress)
    }
}
