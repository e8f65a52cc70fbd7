import Foundation

/// An `https` address, taken apart.
struct HTTPSAddress: Hashable, CustomStringConvertible {
    let host: String
    let port: Int
    /// Path and query, as the request names them.
    let target: String
    private let url: URL

    /// - Throws: ``HTTPSError`` for anything but `https`: what is fetched over plain HTTP proves nothing.
    init(_ text: String, relativeTo base: HTTPSAddress? = nil) throws(HTTPSError) {
        guard text.utf8.count <= 8192, let url = URL(string: text, relativeTo: base?.url)?.absoluteURL,
            let parts = URLComponents(url: url, resolvingAgainstBaseURL: true)
        else {
            throw HTTPSError("\"\(text.prefix(200))\" is no web address")
        }
        guard parts.scheme?.lowercased() == "https" else {
            throw HTTPSError("\(text.prefix(200)) is not https: nothing is fetched over an open connection")
        }
        guard var host = parts.host, !host.isEmpty, parts.user == nil else {
            throw HTTPSError("\"\(text.prefix(200))\" names no host, or a user")
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        let path = parts.percentEncodedPath
        self.host = host
        self.port = parts.port ?? 443
        self.target = (path.isEmpty ? "/" : path) + (parts.percentEncodedQuery.map { "?\($0)" } ?? "")
        self.url = url
    }

    /// What a request's `Host` field says.
    var authority: String {
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return self.port == 443 ? host : "\(host):\(self.port)"
    }

    var description: String { "https://\(self.authority)\(self.target)" }
}

/// A file that could not be had over HTTPS, and why.
public struct HTTPSError: Error, Hashable, CustomStringConvertible {
    public var description: String
    /// The status that the server answered with, where it did.
    public var status: Int?

    init(_ description: String, status: Int? = nil) {
        self.description = description
        self.status = status
    }
}
