import Foundation
import Synchronization
import TestSupport

/// Passes TCP bytes between workers and a coordinator on loopback, and does to them what bad networks do: it cuts,
/// delays, flips bytes, and says again to the coordinator on a second connection what a worker said on the first. It
/// knows nothing of what it passes on.
final class FaultyProxy: Sendable {
    /// How likely each fault is, for each piece that passes.
    struct Faults: Sendable {
        var cut = 0.01
        var delay = 0.05
        var flip = 0.004
        var duplicate = 0.05
    }

    private struct State {
        var random: SplitMix64
        var faults: Faults?
        var sockets: Set<Int32> = []
        var seen: [String: Int] = [:]
        var isOver = false
    }

    let port: UInt16
    private let listener: Int32
    private let target: UInt16
    private let state: Mutex<State>

    private static let pieceBytes = 16 << 10
    /// More connections than any test needs.
    private static let connectionLimit = 256

    /// - Parameter target: the coordinator's port.
    init(to target: UInt16, seed: UInt64, faults: Faults = Faults()) throws {
        self.target = target
        self.state = Mutex(State(random: SplitMix64(seed: seed), faults: faults))
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = Self.loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard isBound, Glibc.listen(listener, 64) == 0 else { throw POSIXError(.EADDRINUSE) }
        self.port = UInt16(bigEndian: address.sin_port)
        Thread { [self] in self.accept() }.start()
    }

    /// From now on everything passes as it is.
    func calmDown() { self.state.withLock { $0.faults = nil } }

    /// How often each fault struck.
    var seen: [String: Int] { self.state.withLock { $0.seen } }

    /// Cuts everything and stops.
    func close() {
        let sockets = self.state.withLock { state in
            state.isOver = true
            return state.sockets
        }
        shutdown(self.listener, Int32(SHUT_RDWR))
        for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private func accept() {
        while true {
            let worker = Glibc.accept(self.listener, nil, nil)
            guard worker >= 0 else { break }
            let isTooMany = self.state.withLock { $0.isOver || $0.sockets.count > 2 * Self.connectionLimit }
            guard !isTooMany, let coordinator = self.dial() else {
                Glibc.close(worker)
                continue
            }
            self.state.withLock { _ = $0.sockets.insert(worker) }
            let echo = self.strikes("duplicate", \.duplicate) ? self.dial() : nil
            Pipe(proxy: self, worker: worker, coordinator: coordinator, echo: echo).start()
        }
        Glibc.close(self.listener)
    }

    private func dial() -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(self.target)
        let isThere = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isThere else {
            Glibc.close(descriptor)
            return nil
        }
        self.state.withLock { _ = $0.sockets.insert(descriptor) }
        return descriptor
    }

    private func strikes(_ name: String, _ fault: KeyPath<Faults, Double>) -> Bool {
        self.state.withLock { state in
            guard let faults = state.faults, Double.random(in: 0..<1, using: &state.random) < faults[keyPath: fault]
            else { return false }
            state.seen[name, default: 0] += 1
            return true
        }
    }

    private func draw(_ range: Range<Int>) -> Int {
        self.state.withLock { Int.random(in: range, using: &$0.random) }
    }

    /// One worker's connection: a thread for each direction, and the sockets closed when both are done.
    private final class Pipe: Sendable {
        private let proxy: FaultyProxy
        private let sockets: (worker: Int32, coordinator: Int32, echo: Int32?)
        private let left = Mutex(2)

        init(proxy: FaultyProxy, worker: Int32, coordinator: Int32, echo: Int32?) {
            self.proxy = proxy
            self.sockets = (worker, coordinator, echo)
        }

        func start() {
            Thread { [self] in
                self.pass(from: self.sockets.worker, to: self.sockets.coordinator, echo: self.sockets.echo)
            }
            .start()
            Thread { [self] in self.pass(from: self.sockets.coordinator, to: self.sockets.worker, echo: nil) }.start()
        }

        private func pass(from source: Int32, to sink: Int32, echo: Int32?) {
            var piece = [UInt8](repeating: 0, count: FaultyProxy.pieceBytes)
            while true {
                let count = read(source, &piece, piece.count)
                guard count > 0, !self.proxy.strikes("cut", \.cut) else { break }
                if self.proxy.strikes("delay", \.delay) { usleep(UInt32(self.proxy.draw(1000..<300_000))) }
                if self.proxy.strikes("flip", \.flip) {
                    piece[self.proxy.draw(0..<count)] ^= 1 << self.proxy.draw(0..<8)
                }
                if let echo { _ = send(echo, piece, count, Int32(MSG_NOSIGNAL)) }
                guard Self.sendAll(piece[..<count], to: sink) else { break }
            }
            for socket in [self.sockets.worker, self.sockets.coordinator, self.sockets.echo].compactMap({ $0 }) {
                shutdown(socket, Int32(SHUT_RDWR))
            }
            let isLast = self.left.withLock { left in
                left -= 1
                return left == 0
            }
            guard isLast else { return }
            for socket in [self.sockets.worker, self.sockets.coordinator, self.sockets.echo].compactMap({ $0 }) {
                self.proxy.state.withLock { _ = $0.sockets.remove(socket) }
                Glibc.close(socket)
            }
        }

        private static func sendAll(_ bytes: ArraySlice<UInt8>, to sink: Int32) -> Bool {
            bytes.withUnsafeBytes { buffer in
                var sent = 0
                while sent < buffer.count {
                    let count = send(sink, buffer.baseAddress! + sent, buffer.count - sent, Int32(MSG_NOSIGNAL))
                    guard count > 0 else { return false }
                    sent += count
                }
                return true
            }
        }
    }
}
