import Coordination
import Digests
import Foundation
import NIOCore
import NIOPosix
import Sweeps
import Testing
import TransportTestSupport
import Wire

@testable import CoordinatorShell
@testable import Transport
@testable import WorkerShell

/// What a peer can make the other side hold, and for how long.
@Suite(.timeLimit(.minutes(5))) struct LimitTests {
    private let cluster: Cluster

    init() throws { self.cluster = try Cluster() }

    private func connectPlainly(_ listener: Listener) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: listener.port).get()
    }

    /// Goal: strangers that begin handshakes and never end them take no places from those who can prove themselves.
    @Test func `slow handshakes are bounded in number`() async throws {
        // Longer than the test: none of the strangers may end before its time.
        let listener = try await self.cluster.listenAndEcho(
            limits: ListenerLimits(handshakes: 2, connection: ConnectionLimits(handshakeSeconds: 600))
        )
        // Proved before: not counted among them.
        let early = try await self.cluster.dial(listener)
        try await early.send(Frame(kind: 1, payload: []))
        #expect(try await early.next()?.kind == 1)
        var strangers: [any Channel] = []
        for _ in 0..<2 {
            let stranger = try await self.connectPlainly(listener)
            // The first bytes of a record that announces more.
            try await stranger.writeAndFlush(ByteBuffer(bytes: [0x16, 3, 1, 0, 0x40, 1]))
            strangers.append(stranger)
        }
        while listener.connectionCount < 3 { try await Task.sleep(for: .milliseconds(5)) }
        let third = try await self.connectPlainly(listener)
        try await third.closeFuture.get()
        #expect(await self.cluster.log.line(containing: "at their handshake").contains("there are 2 connections"))
        try await early.send(Frame(kind: 1, payload: []))
        #expect(try await early.next()?.kind == 1)
        for stranger in strangers { try await stranger.close() }
        while listener.connectionCount > 1 { try await Task.sleep(for: .milliseconds(5)) }
        let late = try await self.cluster.dial(listener)
        try await late.send(Frame(kind: 1, payload: []))
        #expect(try await late.next()?.kind == 1)
        await listener.shutdown()
    }

    /// Goal: a peer that always has some bytes to say, and never a whole frame, is as good as silent.
    @Test func `a frame that trickles in does not hold a connection`() async throws {
        let listener = try await self.cluster.listenAndEcho(
            limits: ListenerLimits(connection: ConnectionLimits(idleSeconds: 1))
        )
        let connection = try await self.cluster.dial(listener)
        let channel = connection.stream.channel
        let trickling = Task {
            try await channel.writeAndFlush(ByteBuffer(bytes: [0, 0, 4, 0, 7]))
            for _ in 0..<1024 {
                try await channel.writeAndFlush(ByteBuffer(bytes: [1]))
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        let frame = try? await connection.next()
        #expect(frame == nil)
        _ = await self.cluster.log.line(containing: "nothing was heard from it for 1.0 s")
        trickling.cancel()
        _ = await trickling.result
        await listener.shutdown()
    }

    @Test func `a worker that leaves too many messages unread is cut off`() async throws {
        let listener = try await self.cluster.listen { connection in
            // Nothing takes from the queue.
            let link = WorkerLink(connection)
            for _ in 0...8192 { link.send([.heartbeat]) }
            await connection.waitUntilClosed()
        }
        let connection = try await self.cluster.dial(listener)
        await connection.readToEnd()
        await listener.shutdown()
    }

    /// Goal: names that others choose never lead out of a folder.
    @Test(arguments: ["../secret", "/etc/passwd", "a/b", "..", ".", ""])
    func `a checkpoint's name that leads elsewhere is refused`(name: String) throws {
        let folder = TemporaryFolder()
        _ = try folder.file("secret", "s")
        let attempt = AttemptFolder(path: "\(folder.path)/attempt")
        try attempt.make()
        let digest = SHA256.hash("s")
        let checkpoint = TrainerEvent.Checkpointed(
            kind: .last,
            step: 1,
            file: name,
            bytes: 1,
            digest: digest,
            rawDigest: digest
        )
        #expect(throws: BlobError.self) { try attempt.putAside(checkpoint) }
        #expect(!FileManager.default.fileExists(atPath: attempt.upload(digest)))
    }

    @Test(arguments: ["../../etc/passwd", "/etc/passwd", ""])
    func `a blob's address is a digest or nothing`(address: String) throws {
        let payload = #"{"digest":"\#(address)","offset":0,"count":1}"#
        #expect(throws: MessageError.self) { try WorkerMessage(Frame(kind: 10, payload: Array(payload.utf8))) }
    }

    @Test func `an operator's frames are theirs alone, and any bytes are a message or an error`() {
        var generator = SystemRandomNumberGenerator()
        for kind in UInt8.min...UInt8.max {
            let payload = (0..<Int.random(in: 0..<64, using: &generator)).map { _ in
                UInt8.random(in: 32..<127, using: &generator)
            }
            let frame = Frame(kind: kind, payload: payload)
            let readings = [
                (try? OperatorRequest(frame)) != nil, (try? OperatorReply(frame)) != nil,
                (try? WorkerMessage(frame)) != nil, (try? CoordinatorMessage(frame)) != nil,
            ]
            #expect(readings.count { $0 } <= 1, "kind \(kind)")
        }
    }
}
