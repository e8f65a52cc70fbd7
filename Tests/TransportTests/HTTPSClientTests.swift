import Foundation
import Synchronization
import Testing
import TransportTestSupport

@testable import Transport

/// Goal: a file arrives whole or not at all, from the host that was named and no other.
/// Method: Python's web server on loopback, with a certificate for `localhost` that openssl made. Skipped where
/// either program is missing.
@Suite(
    .timeLimit(.minutes(5)),
    .enabled(if: Tool.openssl != nil && Tool.python != nil, "needs openssl and python3")
)
struct HTTPSClientTests {
    /// One server for all tests; it ends with the process of the tests, which holds its standard input.
    private struct Web: Sendable {
        /// The certificate to trust, in PEM.
        let root: String
        let server: PythonServer

        init() async throws {
            let openssl = try #require(Tool.openssl)
            let folder = TemporaryFolder()
            let (root, key) = ("\(folder.path)/root.pem", "\(folder.path)/key.pem")
            try await openssl.run(
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", key, "-out", root, "-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost",
                ],
                folder: folder
            )
            self.root = try String(contentsOfFile: root, encoding: .utf8)
            self.server = try await PythonServer(serverSource, [root, key], folder: folder)
        }

        static let shared = Task { try await Web() }
    }

    private let folder = TemporaryFolder()
    private let server: PythonServer
    private let roots: String
    private let expected = Self.data
    private static let data = Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) })

    init() async throws {
        let web = try await Web.shared.value
        self.server = web.server
        self.roots = try self.folder.file("root.pem", web.root)
    }

    private var target: String { "\(self.folder.path)/file.partial" }

    private func client(idleSeconds: Double = 20) -> HTTPSClient {
        HTTPSClient(limits: HTTPSClient.Limits(idleSeconds: idleSeconds), rootsFile: self.roots)
    }

    @discardableResult
    private func download(
        _ path: String,
        host: String = "localhost",
        bytesLimit: Int64 = 2_000_000,
        client: HTTPSClient? = nil,
        progress: @Sendable (Int64, Int64?) -> Void = { _, _ in }
    ) async throws -> Int64 {
        try await (client ?? self.client()).download(
            "https://\(host):\(self.server.port)\(path)",
            to: self.target,
            bytesLimit: bytesLimit,
            progress: progress
        )
    }

    private func content() throws -> Data { try Data(contentsOf: URL(fileURLWithPath: self.target)) }

    private func reason(_ path: String, host: String = "localhost", client: HTTPSClient? = nil) async -> HTTPSError? {
        await #expect(throws: HTTPSError.self) { try await self.download(path, host: host, client: client) }
    }

    @Test func `a file arrives with its progress`() async throws {
        let seen = Mutex<[Int64]>([])
        let bytes = try await self.download("/file") { bytes, total in
            seen.withLock { $0.append(bytes) }
            #expect(total == 1_000_000)
        }
        #expect(bytes == 1_000_000)
        #expect(try self.content() == self.expected)
        let progress = seen.withLock { $0 }
        #expect(progress.first == 0 && progress.last == 1_000_000 && progress == progress.sorted())
        #expect(!FileManager.default.fileExists(atPath: "\(self.target).etag"))
    }

    @Test(arguments: ["/chunked", "/until-close", "/redirect/5", "/relative"])
    func `a file arrives in other forms`(path: String) async throws {
        try await self.download(path)
        #expect(try self.content() == self.expected)
    }

    @Test func `a download goes on where it stopped`() async throws {
        let error = await self.reason("/cut")
        #expect(error?.description.contains("ended before the whole file") == true)
        let part = try self.content().count
        #expect(part > 0 && part < 1_000_000 && FileManager.default.fileExists(atPath: "\(self.target).etag"))
        let first = Mutex<Int64?>(nil)
        try await self.download("/file") { bytes, _ in first.withLock { if $0 == nil { $0 = bytes } } }
        #expect(first.withLock { $0 } == Int64(part))
        #expect(try self.content() == self.expected)
    }

    @Test func `a file that has changed there is fetched from its start`() async throws {
        try Data(repeating: 9, count: 1000).write(to: URL(fileURLWithPath: self.target))
        _ = try self.folder.file("file.partial.etag", "\"another version\"")
        try await self.download("/file")
        #expect(try self.content() == self.expected)
    }

    @Test func `a part of an unknown version is not trusted`() async throws {
        try Data(repeating: 9, count: 1000).write(to: URL(fileURLWithPath: self.target))
        try await self.download("/file")
        #expect(try self.content() == self.expected)
    }

    @Test func `a part that is the whole needs no more, and one that is too long is dropped`() async throws {
        try self.expected.write(to: URL(fileURLWithPath: self.target))
        _ = try self.folder.file("file.partial.etag", "\"version 1\"")
        #expect(try await self.download("/file") == 1_000_000)
        #expect(try self.content() == self.expected)
        try (self.expected + [1]).write(to: URL(fileURLWithPath: self.target))
        _ = try self.folder.file("file.partial.etag", "\"version 1\"")
        #expect(try await self.download("/file") == 1_000_000)
        #expect(try self.content() == self.expected)
    }

    @Test func `an answer with another range is not pasted in`() async throws {
        try self.expected.prefix(1000).write(to: URL(fileURLWithPath: self.target))
        _ = try self.folder.file("file.partial.etag", "\"version 1\"")
        try await self.download("/wrong-range")
        #expect(try self.content() == self.expected)
    }

    @Test(arguments: [
        ("/cut", "ended"), ("/cut-chunk", "cut the connection off"), ("/missing", "answered 404"),
        ("/loop", "more than 5 times"),
        ("/redirect/6", "more than 5 times"), ("/plain", "is not https"), ("/nowhere", "sends on to nowhere"),
        ("/garbage", "speaks no HTTP"),
    ])
    func `what goes wrong is said`(path: String, expected: String) async throws {
        let description = await self.reason(path)?.description ?? ""
        #expect(description.contains(expected), "\(description)")
    }

    @Test func `a file over the limit is refused, announced or not`() async throws {
        for path in ["/file", "/chunked"] {
            let error = await #expect(throws: HTTPSError.self) { try await self.download(path, bytesLimit: 999_999) }
            #expect(error?.description.contains("at most 999999 are expected") == true)
        }
    }

    @Test func `a silent server is left`() async throws {
        let error = await self.reason("/silent", client: self.client(idleSeconds: 0.3))
        #expect(
            error?.description.contains("the server sent nothing for 0.3 s") == true,
            "\(String(describing: error))"
        )
    }

    @Test func `a certificate for another host or of an unknown authority`() async throws {
        let other = await self.reason("/file", host: "127.0.0.1")
        #expect(other?.description.contains("its certificate is not for 127.0.0.1") == true)
        let unknown = await self.reason("/file", client: HTTPSClient(limits: HTTPSClient.Limits()))
        #expect(unknown?.description.contains("from an authority that is not trusted here") == true)
        #expect(try self.content().isEmpty)
    }

    @Test func `a host that is not there, and one without a name`() async throws {
        let port = self.server.port
        let refused = await #expect(throws: HTTPSError.self) {
            // The port above every one that a system gives out.
            try await self.client().download("https://localhost:1/x", to: self.target, bytesLimit: 1)
        }
        #expect(refused?.description.contains("cannot reach localhost:1: Connection refused") == true)
        let unnamed = await #expect(throws: HTTPSError.self) {
            try await self.client().download("https://no-such-host.invalid:\(port)/", to: self.target, bytesLimit: 1)
        }
        #expect(unnamed?.description.contains("its name cannot be resolved") == true)
        for address in ["http://localhost/", "ftp://x/", "https:///x", "https://u:p@localhost/", "not an address"] {
            await #expect(throws: HTTPSError.self, "\(address)") {
                try await self.client().download(address, to: self.target, bytesLimit: 1)
            }
        }
    }

    @Test func `ranges are read strictly`() {
        #expect(ContentRange("bytes 5-9/10")?.first == 5)
        for text in ["bytes 5-8/10", "bytes 5-9/*", "5-9/10", "bytes 9-5/10", "bytes -1-9/10", "bytes a-9/10", ""] {
            #expect(ContentRange(text) == nil, "\(text)")
        }
        #expect(ContentRange(nil) == nil)
        #expect(ContentRange.unsatisfied("bytes */10") == 10)
    }

    private static let serverSource = """
        import http.server, os, ssl, sys, threading

        DATA = bytes((i * 7 + i // 256) % 256 for i in range(1000000))
        VERSION = '"version 1"'

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, fields, body=b""):
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                if "Transfer-Encoding" not in fields and "Content-Length" not in fields:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def file(self, shift=0):
                span = self.headers.get("Range")
                if span and self.headers.get("If-Range") == VERSION:
                    first = int(span[6:-1])
                    if first >= len(DATA):
                        return self.answer(416, {"Content-Range": "bytes */%d" % len(DATA)})
                    first += shift
                    return self.answer(206, {"Content-Range": "bytes %d-%d/%d" % (
                        first, len(DATA) - 1, len(DATA)), "ETag": VERSION}, DATA[first:])
                self.answer(200, {"ETag": VERSION}, DATA)

            def do_GET(self):
                path = self.path
                if path == "/file":
                    self.file()
                elif path == "/wrong-range":
                    self.file(shift=1)
                elif path.startswith("/redirect/"):
                    n = int(path[10:])
                    place = "/file" if n == 1 else "/redirect/%d" % (n - 1)
                    self.answer(302, {"Location": "https://localhost:%d%s" % (PORT, place)}, b"moved")
                elif path == "/relative":
                    self.answer(307, {"Location": "file"})
                elif path == "/loop":
                    self.answer(301, {"Location": "/loop"})
                elif path == "/plain":
                    self.answer(302, {"Location": "http://localhost/file"})
                elif path == "/nowhere":
                    self.answer(302, {})
                elif path in ("/chunked", "/cut-chunk"):
                    self.answer(200, {"Transfer-Encoding": "chunked"})
                    for at in range(0, len(DATA), 100000):
                        self.wfile.write(b"186a0\\r\\n" + DATA[at:at + 100000] + b"\\r\\n")
                        if path == "/cut-chunk":
                            break
                    else:
                        self.wfile.write(b"0\\r\\n\\r\\n")
                    self.close_connection = True
                elif path == "/until-close":
                    self.wfile.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + DATA)
                    self.wfile.flush()
                    self.connection.unwrap()
                    self.close_connection = True
                elif path == "/cut":
                    self.answer(200, {"Content-Length": str(len(DATA)), "ETag": VERSION}, DATA[:300000])
                    self.wfile.flush()
                    try:
                        self.connection.unwrap()
                    except OSError:
                        pass
                    self.close_connection = True
                elif path == "/garbage":
                    self.wfile.write(b"\\x00\\x01 hello\\r\\n\\r\\n")
                    self.close_connection = True
                elif path == "/silent":
                    FOREVER.wait()
                else:
                    self.answer(404, {}, b"no such file")

        FOREVER = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None
        PORT = server.server_address[1]
        print(PORT, flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        os._exit(0)
        """
}
