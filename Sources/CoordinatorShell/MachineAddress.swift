internal import Foundation

/// How this machine is reached at an address that it listens on.
public enum MachineAddress {
    /// For other machines: an address that stands for all of this machine's is replaced by one of them.
    public static func reachable(_ host: String) -> String {
        guard Self.wildcards.contains(host) else { return host }
        return Self.firstAddress ?? ProcessInfo.processInfo.hostName
    }

    /// For processes on this machine.
    public static func local(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: host
        }
    }

    /// Whether it is an address that a machine has for itself alone.
    static func isLoopback(_ host: String) -> Bool {
        ["localhost", "::1"].contains(host) || (host.hasPrefix("127.") && host.allSatisfy { $0 == "." || $0.isNumber })
    }

    private static let wildcards = ["0.0.0.0", "::"]

    /// The first IPv4 address of an interface that is up and leads out.
    private static var firstAddress: String? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return nil }
        defer { freeifaddrs(list) }
        for entry in sequence(first: list, next: { $0?.pointee.ifa_next }).compactMap({ $0?.pointee }) {
            guard let address = entry.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET),
                entry.ifa_flags & UInt32(IFF_UP) != 0, entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0
            else { continue }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let length = socklen_t(MemoryLayout<sockaddr_in>.size)
            guard getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else {
                continue
            }
            return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        return nil
    }
}
