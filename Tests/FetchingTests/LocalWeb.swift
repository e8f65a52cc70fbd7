import Foundation

@testable import Fetching

/// A folder behind HTTPS on loopback: Python's web server with a certificate for `localhost` that openssl made.
final class LocalWeb: Sendable {
    /// Whether this machine has both programs.
    static let isPossible = hasPython && answers(["openssl", "version"])

    let port: Int
    /// The certificate to trust.
    let roots: String
    private let identifier: Int32
    /// The server ends when this does: with its owner, or with the process of the tests.
    private let input: Pipe

    init(serving folder: URL, certificates: URL) async throws {
        let key = certificates.appendingPathComponent("key.pem").path
        self.roots = certificates.appendingPathComponent("root.pem").path
        try await ChildProcess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                "2",
                "-keyout", key, "-out", self.roots, "-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost",
            ],
            log: certificates.appendingPathComponent("openssl.log"),
            secondsLimit: 60
        )
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", Self.script, folder.path, self.roots, key]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.identifier = process.processIdentifier
        self.input = input
        let line = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var line: [UInt8] = []
                while let byte = try? output.fileHandleForReading.read(upToCount: 1)?.first, byte != 10 {
                    line.append(byte)
                }
                continuation.resume(returning: String(decoding: line, as: UTF8.self))
            }
        }
        guard let port = Int(line) else { throw FetchError("the server printed no port") }
        self.port = port
    }

    // Not by the end of its input alone: another child that was started meanwhile may hold that pipe too.
    deinit { kill(self.identifier, SIGKILL) }

    private static let script = """
        import functools, http.server, os, ssl, sys, threading

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

            # /cut/NAME ends in the middle, /silent/NAME stops there, /long/NAME and /short/NAME say another length.
            def do_GET(self):
                fault, _, name = self.path[1:].partition("/")
                if fault not in ("cut", "silent", "long", "short"):
                    return super().do_GET()
                with open(self.directory + "/" + name, "rb") as file:
                    content = file.read()
                said = len(content) + {"long": 7, "short": -7}.get(fault, 0)
                self.send_response(200)
                self.send_header("Content-Length", str(said))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if fault in ("cut", "silent") else content)
                self.wfile.flush()
                if fault == "silent":
                    sys.stdin.read()
                self.close_connection = True

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        handler = functools.partial(Handler, directory=sys.argv[1])
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        print(server.server_address[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        os._exit(0)
        """
}
