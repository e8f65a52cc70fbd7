import Foundation
import NIOCore
import NIOPosix
import Testing
import TransportTestSupport
import Wire

@testable import Transport

/// Goal: each kind of stranger is turned away, and the log says why in words that a person can act on.
/// Method: our dialer where it can be wrong in that way, other TLS programs and plain sockets where it cannot.
@Suite(.timeLimit(.minutes(5))) struct RefusalTests {
    private let cluster: Cluster
    private let folder = TemporaryFolder()

    init() throws { self.cluster = try Cluster() }

    private func files(of identity: Identity) throws -> (identity: String, authority: String) {
        let path = "\(self.folder.path)/\(UUID().uuidString)"
        try identity.save(folder: path)
        let authority = try self.folder.file("\(UUID().uuidString).pem", identity.authority.pem)
        return ("\(path)/\(Identity.fileName)", authority)
    }

    /// What our own dialer is told when it uses `identity`: by its handshake, or by its first read.
    private func refusal(of identity: Identity, at listener: Listener) async -> TLSError.Reason? {
        do {
            let connection = try await Dialer.connect(host: "127.0.0.1", port: listener.port, identity: identity)
            _ = try await connection.next()
            return nil
        } catch let error as TLSError {
            return error.reason
        } catch {
            return nil
        }
    }

    @Test func `another authority's worker`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let stranger = try Cluster()
        let mixed = try Identity(
            key: stranger.worker.key,
            certificate: stranger.worker.certificate,
            authority: self.cluster.authority.certificate
        )
        let reason = await self.refusal(of: mixed, at: listener)
        #expect(reason == .refused(alert: "unknown CA (alert 48)"))
        let line = await self.cluster.log.line(containing: "refused")
        #expect(line.contains("127.0.0.1") && line.contains("from an authority that is not trusted here"))
        await listener.shutdown()
    }

    @Test func `another authority's coordinator`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let stranger = try Cluster()
        #expect(await self.refusal(of: stranger.worker, at: listener) == .unknownAuthority)
        #expect(await self.cluster.log.line(containing: "refused").contains("the other side refused this one"))
        await listener.shutdown()
    }

    @Test func `a role that may not connect`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        guard case .refused = await self.refusal(of: self.cluster.coordinator, at: listener) else {
            Issue.record("a coordinator was taken for a worker")
            return
        }
        let line = await self.cluster.log.line(containing: "refused")
        #expect(line.contains("for the role coordinator, and this end takes only operator or worker"))
        await listener.shutdown()
    }

    @Test func `a worker that poses as coordinator`() async throws {
        let listener = try await self.cluster.listenAndEcho(as: self.cluster.worker)
        let reason = await self.refusal(of: self.cluster.operatorIdentity, at: listener)
        #expect(reason == .wrongRole(.worker, admitted: [.coordinator]))
        _ = await self.cluster.log.line(containing: "the other side refused this one")
        await listener.shutdown()
    }

    @Test func `an expired certificate, and one from the future`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let now = currentSeconds()
        let expired = try self.cluster.authority.makeIdentity(
            role: .worker,
            name: "late",
            validSeconds: 60,
            atSeconds: now - 3600
        )
        #expect(
            await self.refusal(of: expired, at: listener) == .refused(alert: "certificate expired (alert 45)")
        )
        _ = await self.cluster.log.line(containing: "its certificate has expired")
        let early = try self.cluster.authority.makeIdentity(role: .worker, name: "early", atSeconds: now + 3600)
        #expect(await self.refusal(of: early, at: listener) == .refused(alert: "bad certificate (alert 42)"))
        _ = await self.cluster.log.line(containing: "its certificate is not valid yet")
        await listener.shutdown()
    }

    @Test func `plain text`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let answer = try await self.sendPlain("GET / HTTP/1.0\r\n\r\n", to: listener)
        #expect(answer.readableBytes < 16)
        _ = await self.cluster.log.line(containing: "its bytes are not TLS")
        await listener.shutdown()
    }

    @Test func `a handshake that never comes to its end`() async throws {
        let listener = try await self.cluster.listenAndEcho(
            limits: ListenerLimits(connection: ConnectionLimits(handshakeSeconds: 0.2))
        )
        // The first bytes of a record that announces more.
        let answer = try await self.sendPlain("\u{16}\u{3}\u{1}\u{0}\u{40}\u{1}", to: listener)
        #expect(answer.readableBytes == 0)
        _ = await self.cluster.log.line(containing: "the TLS handshake was not over after 0.2 s")
        await listener.shutdown()
    }

    @Test func `a connection that ends inside the handshake`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: listener.port).get()
        // Under load the other side may be quicker.
        try? await channel.close()
        _ = await self.cluster.log.line(containing: "the connection ended before the TLS handshake was over")
        await listener.shutdown()
    }

    @Test func `a frame over the limit`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let connection = try await self.cluster.dial(listener)
        // The header announces 16 MiB; the sender's own limit is stepped around.
        try await connection.stream.channel.writeAndFlush(ByteBuffer(bytes: [1, 0, 0, 0, 7]))
        #expect(try await connection.next() == nil)
        let line = await self.cluster.log.line(containing: "the connection of worker worker-1")
        #expect(line.contains("frame of kind 7 has 16777216 payload bytes, over the limit of 1048576"))
        await listener.shutdown()
    }

    // MARK: Other TLS programs. Skipped where the program is missing.

    @Test(.enabled(if: Tool.openssl != nil, "needs the openssl command"))
    func `openssl with a certificate is let in`() async throws {
        let seen = Signal<Peer>()
        let listener = try await self.cluster.listen { seen.send($0.peer) }
        let files = try self.files(of: self.cluster.worker)
        let output = try await self.connect(
            listener,
            ["-cert", files.identity, "-key", files.identity, "-CAfile", files.authority, "-alpn", "quintet/1"]
        )
        #expect(output.contains("Verify return code: 0 (ok)") && output.contains("ALPN protocol: quintet/1"))
        #expect(output.contains("TLSv1.3"))
        #expect(await seen.wait().name == "worker-1")
        await listener.shutdown()
    }

    @Test(.enabled(if: Tool.openssl != nil, "needs the openssl command"))
    func `openssl without a certificate`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        try await self.connect(listener, ["-alpn", "quintet/1"])
        _ = await self.cluster.log.line(containing: "it sent no client certificate")
        await listener.shutdown()
    }

    @Test(.enabled(if: Tool.openssl != nil, "needs the openssl command"))
    func `openssl with TLS 1.2 alone`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let files = try self.files(of: self.cluster.worker)
        let output = try await self.connect(
            listener,
            ["-tls1_2", "-cert", files.identity, "-key", files.identity, "-alpn", "quintet/1"]
        )
        #expect(output.contains("alert protocol version"))
        _ = await self.cluster.log.line(containing: "it does not offer the TLS version that is required here")
        await listener.shutdown()
    }

    @Test(
        .enabled(if: Tool.openssl != nil, "needs the openssl command"),
        arguments: [
            (["-alpn", "h2,quintet/2"], "unknown application protocols (ALPN): h2, quintet/2"),
            ([], "it names no application protocol (ALPN)"),
            (["-alpn", "quintet-enrol/1"], "unknown application protocols (ALPN): quintet-enrol/1"),
        ]
    )
    func `openssl with no protocol that is spoken here`(offer: [String], expected: String) async throws {
        let listener = try await self.cluster.listenAndEcho()
        let files = try self.files(of: self.cluster.worker)
        let output = try await self.connect(listener, ["-cert", files.identity, "-key", files.identity] + offer)
        #expect(output.contains("no application protocol"))
        _ = await self.cluster.log.line(containing: expected)
        await listener.shutdown()
    }

    @Test(.enabled(if: Tool.python != nil, "needs python3"))
    func `Python's ssl speaks frames with the listener`() async throws {
        let listener = try await self.cluster.listenAndEcho()
        let files = try self.files(of: self.cluster.worker)
        let output = try await Tool.python?.run(
            ["-c", Self.pythonClient, String(listener.port), files.identity, files.authority],
            folder: self.folder
        )
        #expect(output == "TLSv1.3 quintet/1 300000\n")
        // Python closes its socket without TLS's goodbye, as a machine does that loses its power.
        let line = await self.cluster.log.line(containing: "the connection of worker worker-1")
        #expect(line.contains("cut off without a goodbye") || line.contains("failed"))
        await listener.shutdown()
    }

    @Test(.enabled(if: Tool.python != nil, "needs python3"))
    func `the dialer speaks frames with Python's ssl, and refuses it as a worker`() async throws {
        let files = try self.files(of: self.cluster.coordinator)
        let server = try await PythonServer(
            Self.pythonServer,
            [files.identity, files.authority],
            folder: self.folder
        )
        let connection = try await Dialer.connect(
            host: "127.0.0.1",
            port: server.port,
            identity: self.cluster.worker
        )
        let frame = Frame(kind: 3, payload: [UInt8](repeating: 8, count: 100_000))
        try await connection.send(frame)
        #expect(try await connection.next() == frame)
        #expect(try await connection.next() == nil)

        let impostor = try self.files(of: self.cluster.worker)
        let second = try await PythonServer(
            Self.pythonServer,
            [impostor.identity, impostor.authority],
            folder: self.folder
        )
        await #expect(throws: TLSError(.wrongRole(.worker, admitted: [.coordinator]))) {
            _ = try await Dialer.connect(host: "127.0.0.1", port: second.port, identity: self.cluster.worker)
        }
    }

    // MARK: Means

    @discardableResult
    private func connect(_ listener: Listener, _ arguments: [String]) async throws -> String {
        guard let openssl = Tool.openssl else { preconditionFailure("this test needs openssl") }
        return try await openssl.run(
            ["s_client", "-connect", "127.0.0.1:\(listener.port)"] + arguments,
            folder: self.folder
        )
    }

    /// Sends bytes over a plain socket and gives what comes until the other side closes.
    private func sendPlain(_ text: String, to listener: Listener) async throws -> ByteBuffer {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: listener.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var answer = ByteBuffer()
            do {
                try await outbound.write(ByteBuffer(string: text))
            } catch ChannelError.ioOnClosedChannel {
                return answer
            }
            for try await bytes in inbound { answer.writeImmutableBuffer(bytes) }
            return answer
        }
    }

    private static let pythonClient = """
        import socket, ssl, struct, sys
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(sys.argv[3])
        context.load_cert_chain(sys.argv[2])
        context.set_alpn_protocols(["quintet/1"])
        with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])))) as tls:
            payload = bytes(i % 251 for i in range(300000))
            tls.sendall(struct.pack(">IB", len(payload), 9) + payload)
            reader = tls.makefile("rb")
            length, kind = struct.unpack(">IB", reader.read(5))
            assert kind == 9 and reader.read(length) == payload
            print(tls.version(), tls.selected_alpn_protocol(), length)
        """

    private static let pythonServer = """
        import socket, ssl, struct, sys
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(sys.argv[2])
        context.load_cert_chain(sys.argv[1])
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["quintet/1"])
        server = socket.create_server(("127.0.0.1", 0))
        print(server.getsockname()[1], flush=True)
        plain, _ = server.accept()
        try:
            with context.wrap_socket(plain, server_side=True) as tls:
                reader = tls.makefile("rb")
                header = reader.read(5)
                tls.sendall(header + reader.read(struct.unpack(">IB", header)[0]))
                tls.unwrap()
        except (ssl.SSLError, OSError):
            pass
        """
}
