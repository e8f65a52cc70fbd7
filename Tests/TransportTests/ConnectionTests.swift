import Digests
import Foundation
import NIOCore
import Synchronization
import Testing
import Transport
import TransportTestSupport
import Wire

@Suite(.timeLimit(.minutes(5))) struct ConnectionTests {
    private let cluster: Cluster

    init() throws { self.cluster = try Cluster() }

    @Test func `both sides see who the other one is`() async throws {
        let seen = Signal<Peer>()
        let listener = try await self.cluster.listen { seen.send($0.peer) }
        let connection = try await self.cluster.dial(listener)
        #expect(
            await seen.wait()
                == Peer(
                    role: .worker,
                    name: "worker-1",
                    keyDigest: self.cluster.worker.key.publicKeyDigest,
                    certificateEndSeconds: self.cluster.worker.certificate.validSeconds.upperBound
                )
        )
        #expect(
            connection.peer
                == Peer(
                    role: .coordinator,
                    name: "coordinator",
                    keyDigest: self.cluster.coordinator.key.publicKeyDigest,
                    certificateEndSeconds: self.cluster.coordinator.certificate.validSeconds.upperBound
                )
        )
        #expect(connection.address == "127.0.0.1:\(listener.port)")
        await listener.shutdown()
    }

    /// Goal: what a crashed coordinator leaves running keeps neither its port nor its connections.
    @Test func `sockets are closed in programs that this one starts`() async throws {
        let listener = try await self.cluster.listen { connection in await connection.waitUntilClosed() }
        let connection = try await self.cluster.dial(listener)
        try await connection.send(Frame(kind: 1, payload: []))
        let names = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        let sockets = names.compactMap { Int32($0) }.filter { descriptor in
            [getsockname, getpeername].contains { Self.port(descriptor, $0) == listener.port }
        }
        // The one that listens, and both ends of a connection.
        #expect(sockets.count == 3)
        for socket in sockets { #expect(fcntl(socket, F_GETFD) & FD_CLOEXEC != 0) }
        connection.close()
        await listener.shutdown()
    }

    private static func port(
        _ descriptor: Int32,
        _ name: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> Int? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutableBytes(of: &address) { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { name(descriptor, $0.baseAddress!, &length) }
        }
        return code == 0 && address.sin_family == sa_family_t(AF_INET) ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }

    @Test func `frames of every size come back whole and in order`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let connection = try await self.cluster.dial(listener)
        let sizes = [0, 1, 5, 16_383, 16_384, 16_385, 65_536, 300_000, Limits.framePayloadBytes]
        let frames = sizes.enumerated().map { index, size in
            Frame(kind: UInt8(index), payload: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) })
        }
        let sending = Task {
            for frame in frames { try await connection.send(frame) }
            try await connection.finish()
        }
        var received: [Frame] = []
        for try await frame in connection.frames { received.append(frame) }
        try await sending.value
        #expect(received == frames)
        await listener.shutdown()
    }

    @Test func `a frame over the limit is not sent, and the connection goes on`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let connection = try await self.cluster.dial(listener)
        let tooLarge = Frame(kind: 1, payload: [UInt8](repeating: 0, count: Limits.framePayloadBytes + 1))
        await #expect(throws: FrameError.self) { try await connection.send(tooLarge) }
        try await connection.send(Frame(kind: 2, payload: [7]))
        #expect(try await connection.next() == Frame(kind: 2, payload: [7]))
        await listener.shutdown()
    }

    @Test func `one side may finish while the other goes on`() async throws {
        let listener = try await self.cluster.listen { connection in
            // Nothing is said before the other side has finished.
            let first = try? await connection.next()
            let end = try? await connection.next()
            guard first?.kind == 1, end == nil else { return }
            try? await connection.send(Frame(kind: 2, payload: [UInt8](repeating: 3, count: 200_000)))
            try? await connection.finish()
            await connection.waitUntilClosed()
        }
        let connection = try await self.cluster.dial(listener)
        try await connection.send(Frame(kind: 1, payload: []))
        try await connection.finish()
        await #expect(throws: ConnectionError.self) { try await connection.send(Frame(kind: 1, payload: [])) }
        #expect(try await connection.next()?.payload.readableBytes == 200_000)
        #expect(try await connection.next() == nil)
        await connection.waitUntilClosed()
        await listener.shutdown()
    }

    @Test func `closing ends everything at once`() async throws {
        let outcome = Signal<[Bool]>()
        let listener = try await self.cluster.listen { connection in
            _ = try? await connection.next()
            connection.close()
            connection.close()
            let nextIsNil = (try? await connection.next()) == .some(nil)
            var sendFails = false
            do { try await connection.send(Frame(kind: 1, payload: [])) } catch { sendFails = true }
            outcome.send([nextIsNil, sendFails])
        }
        let connection = try await self.cluster.dial(listener)
        try await connection.send(Frame(kind: 1, payload: []))
        #expect(await outcome.wait() == [true, true])
        await connection.waitUntilClosed()
        await listener.shutdown()
    }

    /// Goal: what nobody reads stays with its sender.
    /// Method: a listener that reads nothing; the sender's own idle limit ends its 1,000 sends of a megabyte.
    @Test func `a peer that does not read stops the sender`() async throws {
        let release = Signal<Void>()
        let listener = try await self.cluster.listen { _ in await release.wait() }
        let connection = try await self.cluster.dial(listener, limits: ConnectionLimits(idleSeconds: 0.7))
        let frame = Frame(kind: 1, payload: [UInt8](repeating: 1, count: Limits.framePayloadBytes))
        var sent = 0
        do {
            while sent < 1000 {
                try await connection.send(frame)
                sent += 1
            }
        } catch {}
        #expect(sent < 64, "\(sent) megabytes were taken")
        release.send(())
        await listener.shutdown()
    }

    @Test func `a silent peer loses its connection, and both ends can say why`() async throws {
        let listener = try await self.cluster.listen(
            limits: ListenerLimits(connection: ConnectionLimits(idleSeconds: 0.2))
        ) { connection in
            while (try? await connection.next()) != nil {}
        }
        let connection = try await self.cluster.dial(listener)
        #expect(try await connection.next() == nil)
        #expect(await self.cluster.log.line(containing: "ended").contains("nothing was heard from it for 0.2 s"))
        await listener.shutdown()
    }

    @Test func `a cancelled wait for a frame loses nothing`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let connection = try await self.cluster.dial(listener)
        let waiting = Task { try await connection.next() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        try await connection.send(Frame(kind: 9, payload: []))
        #expect(try await connection.next()?.kind == 9)
        await listener.shutdown()
    }

    @Test func `connections over the limits are refused with a reason, and places come free again`() async throws {
        let listener = try await self.cluster.listenAndEcho(limits: ListenerLimits(connectionsPerAddress: 1))
        let first = try await self.cluster.dial(listener)
        await #expect(throws: (any Error).self) { _ = try await self.cluster.dial(listener) }
        #expect(await self.cluster.log.line(containing: "refused").contains("1 connections from 127.0.0.1"))
        try await first.finish()
        #expect(try await first.next() == nil)
        _ = await self.cluster.log.line(containing: "the connection of worker worker-1")
        #expect(listener.connectionCount == 0)
        let second = try await self.cluster.dial(listener)
        try await second.send(Frame(kind: 1, payload: []))
        #expect(try await second.next()?.kind == 1)
        await listener.shutdown()
    }

    @Test func `shutting down ends every connection and returns`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let connections = [try await self.cluster.dial(listener), try await self.cluster.dial(listener)]
        for connection in connections {
            try await connection.send(Frame(kind: 1, payload: []))
            #expect(try await connection.next()?.kind == 1)
        }
        await listener.shutdown()
        for connection in connections {
            await connection.waitUntilClosed()
            await #expect(throws: ConnectionError.self) { try await connection.send(Frame(kind: 1, payload: [])) }
        }
        await #expect(throws: ConnectionError.self) { _ = try await self.cluster.dial(listener) }
    }

    @Test func `a port in use is named`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let error = await #expect(throws: ConnectionError.self) {
            _ = try await Listener.start(
                host: "127.0.0.1",
                port: listener.port,
                identity: self.cluster.coordinator,
                logger: self.cluster.log.logger
            ) { _ in }
        }
        #expect(error?.description.contains("port \(listener.port) of 127.0.0.1 is already in use") == true)
        await listener.shutdown()
    }

    /// Goal: addresses of a name that do not answer leave no trace in the connection that one of them gives.
    @Test func `a name with several addresses is tried until one answers`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let connection = try await Dialer.connect(
            host: "localhost",
            port: listener.port,
            identity: self.cluster.worker
        )
        try await connection.send(Frame(kind: 1, payload: [1]))
        #expect(try await connection.next() == Frame(kind: 1, payload: [1]))
        await listener.shutdown()
    }

    @Test func `an address where nobody listens is named`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let port = listener.port
        await listener.shutdown()
        let error = await #expect(throws: ConnectionError.self) {
            _ = try await Dialer.connect(host: "127.0.0.1", port: port, identity: self.cluster.worker)
        }
        #expect(error?.description.hasPrefix("cannot reach 127.0.0.1:\(port): Connection refused") == true)
    }

    @Test func `a listener takes a renewed identity without closing`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let old = try await self.cluster.dial(listener)
        let renewed = try self.cluster.authority.makeIdentity(role: .coordinator, name: "coordinator")
        try listener.replaceIdentity(renewed)
        let new = try await self.cluster.dial(listener)
        #expect(new.peer.keyDigest == renewed.key.publicKeyDigest)
        try await old.send(Frame(kind: 4, payload: []))
        #expect(try await old.next()?.kind == 4)
        await listener.shutdown()
    }

    @Test func `a blob in chunks arrives bit for bit`() async throws {
        let received = Signal<Digest>()
        let listener = try await self.cluster.listen { connection in
            var hash = SHA256()
            while let frame = try? await connection.next() { hash.update(frame.payload.readableBytesView) }
            received.send(hash.finalize())
        }
        let connection = try await self.cluster.dial(listener)
        var hash = SHA256()
        for index in 0..<32 {
            var payload = [UInt8](repeating: UInt8(index), count: Limits.framePayloadBytes)
            payload[index * 1000] = 255
            hash.update(payload)
            try await connection.send(Frame(kind: 1, payload: payload))
        }
        try await connection.finish()
        #expect(await received.wait() == hash.finalize())
        await listener.shutdown()
    }
}
