import Foundation
import Testing
import Transport
import TransportTestSupport

/// Goal: the refusals hold against a TLS program that shares no code with ours, and says things that OpenSSL would not.
@Suite(.timeLimit(.minutes(2))) struct TLSLiteTests {
    private static let isThere: Bool = {
        guard let python = Tool.python else { return false }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python.path)
        process.arguments = ["-c", "import tlslite"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    @Test(
        .enabled(if: Self.isThere, "needs python3 with tlslite-ng"),
        arguments: [
            ("member", "echoed", "ended"),
            ("anonymous", "certificate_required", "it sent no client certificate"),
            ("tls1.2", "protocol_version", "it does not offer the TLS version that is required here"),
            ("alpn", "no_application_protocol", "unknown application protocols (ALPN): h2"),
            ("stranger", "unknown_ca", "from an authority that is not trusted here"),
            ("borrowed", "decrypt_error", "broke the rules of TLS: bad signature"),
            ("garbage", "bad_record_mac", "broke the rules of TLS: decryption failed or bad record mac"),
            ("renegotiation", "unexpected_message", "broke the rules of TLS: unexpected message"),
        ]
    )
    func `tlslite gets in with a certificate and in no other way`(
        attack: String,
        seen: String,
        logged: String
    ) async throws {
        let (cluster, folder) = (try Cluster(), TemporaryFolder())
        let listener = try await cluster.listenAndEcho()
        let identity = attack == "stranger" ? try Cluster().worker : cluster.worker
        try identity.save(folder: "\(folder.path)/worker")
        try cluster.operatorIdentity.save(folder: "\(folder.path)/operator")
        let python = try #require(Tool.python)
        let output = try await python.run(
            [
                "-c", Self.client, "\(listener.port)", attack, "\(folder.path)/worker/\(Identity.fileName)",
                "\(folder.path)/operator/\(Identity.fileName)",
            ],
            folder: folder
        )
        #expect(output.contains(seen), "\(output)")
        _ = await cluster.log.line(containing: logged)
        await listener.shutdown()
    }

    private static let client = """
        import re, socket, struct, sys
        from tlslite.api import *
        from tlslite.constants import AlertDescription
        port, attack = int(sys.argv[1]), sys.argv[2]
        def blocks(path):
            text = open(path).read()
            return re.findall(r"-----BEGIN.*?-----END [A-Z ]+-----\\n", text, re.S)
        worker, operator = blocks(sys.argv[3]), blocks(sys.argv[4])
        chain = X509CertChain()
        chain.parsePemList("".join(worker[1:2]))
        # Borrowed: somebody else's certificate, without its key.
        key = parsePEMKey(operator[0] if attack == "borrowed" else worker[0], private=True)
        settings = HandshakeSettings()
        settings.minVersion, settings.maxVersion = (3, 3), (3, 3) if attack == "tls1.2" else (3, 4)
        # Otherwise it sends its certificate compressed to whoever has not asked for that.
        settings.certificate_compression_send = settings.certificate_compression_receive = []
        plain = socket.create_connection(("127.0.0.1", port))
        plain.settimeout(20)
        tls = TLSConnection(plain)
        tls.ignoreAbruptClose = True
        alpn = [b"h2"] if attack == "alpn" else [b"quintet/1"]
        try:
            if attack == "anonymous":
                tls.handshakeClientCert(settings=settings, alpn=alpn)
            else:
                tls.handshakeClientCert(chain, key, settings=settings, alpn=alpn)
            if attack == "garbage":
                plain.sendall(struct.pack(">BHH", 23, 0x0303, 64) + bytes(64))
            elif attack == "renegotiation":
                # A second ClientHello, inside the encrypted stream.
                hello = bytes([1, 0, 0, 4, 3, 3, 0, 0])
                for _ in tls._sendMsg(type("M", (), {"contentType": 22, "write": lambda self: bytearray(hello)})()): pass
            else:
                tls.write(struct.pack(">IB", 3, 9) + b"abc")
            answer = tls.read(min=8, max=8)
            print("echoed" if bytes(answer) == struct.pack(">IB", 3, 9) + b"abc" else "refused: closed")
            tls.close()
        except (TLSRemoteAlert, TLSLocalAlert) as error:
            print("refused:", AlertDescription.toStr(error.description), error)
        except (TLSAbruptCloseError, ConnectionError, OSError) as error:
            print("refused:", repr(error))
        """
}
