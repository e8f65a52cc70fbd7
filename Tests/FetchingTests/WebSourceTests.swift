import Digests
import Foundation
import Synchronization
import Testing
import Transport

@testable import Fetching

/// Goal: what an address gives is taken when it is what it was, and never otherwise.
/// Method: a folder behind HTTPS on loopback. Skipped where python3 or openssl is missing.
@Suite(.timeLimit(.minutes(5)), .enabled(if: LocalWeb.isPossible, "needs python3 and openssl"))
struct WebSourceTests {
    private let folder = TemporaryFolder()
    private let web: LocalWeb
    private let cache: Cache

    init() async throws {
        try self.folder.write("web/config.json", "{}")
        try self.folder.write("web/weights", String(repeating: "w", count: 300_000))
        self.cache = Cache(folder: self.folder.url.appendingPathComponent("cache"))
        self.web = try await LocalWeb(
            serving: self.folder.url.appendingPathComponent("web"),
            certificates: self.folder.url
        )
    }

    private func fetch(
        digests: [String: Digest] = [:],
        bytesLimit: Int64 = 1_000_000
    ) async throws -> (place: URL, events: [FetchEvent]) {
        let entry = Entry(
            name: "model",
            kind: .backbone,
            files: ["config.json", "weights"],
            sources: [
                Source(
                    name: "the web",
                    origin: .https(
                        ["config.json", "weights"].map { file in
                            Source.Download(
                                address: "https://localhost:\(self.web.port)/\(file)",
                                file: file,
                                bytesLimit: bytesLimit
                            )
                        }
                    ),
                    unpacking: [],
                    digests: digests
                )
            ]
        )
        let fetcher = Fetcher(
            cache: self.cache,
            catalogue: Catalogue([entry]),
            https: HTTPSClient(rootsFile: self.web.roots)
        )
        let events = Mutex<[FetchEvent]>([])
        let place = try await fetcher.fetch("model") { event in events.withLock { $0.append(event) } }
        return (place, events.withLock { $0 })
    }

    @Test func `files come with progress, and their digests are recorded`() async throws {
        let (place, events) = try await self.fetch()
        #expect(try Data(contentsOf: place.appendingPathComponent("weights")).count == 300_000)
        let digest = SHA256.hash("{}").description
        #expect(events.contains(.progress(file: "weights", bytes: 300_000, total: 300_000)))
        #expect(events.contains(.recorded(file: "config.json", source: "the web", digest: digest)))
        #expect(events.last == .fetched(name: "model", source: "the web"))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: place.path).sorted() == ["config.json", "weights"]
        )
    }

    @Test func `a file that changed there since it was recorded is refused`() async throws {
        let (place, _) = try await self.fetch()
        try FileManager.default.removeItem(at: place)
        try self.folder.write("web/weights", "other weights")
        let error = await #expect(throws: FetchError.self) { _ = try await self.fetch() }
        #expect(error?.description.contains("weights from the web has the SHA-256") == true)
        try self.folder.write("web/weights", String(repeating: "w", count: 300_000))
        _ = try await self.fetch()
    }

    @Test func `a file with another digest than the catalogue's is refused`() async throws {
        let error = await #expect(throws: FetchError.self) {
            _ = try await self.fetch(digests: ["config.json": SHA256.hash("[]")])
        }
        #expect(error?.description.contains("config.json from the web has the SHA-256") == true)
        #expect(self.cache.cachedFolder(for: "model", kind: .backbone) == nil)
    }

    /// Goal: what has come once is not fetched again after a failure of what comes next.
    @Test func `files that are here already are kept for the next try`() async throws {
        try FileManager.default.removeItem(at: self.folder.url.appendingPathComponent("web/weights"))
        let error = await #expect(throws: FetchError.self) { _ = try await self.fetch() }
        #expect(error?.description.contains("answered 404") == true)
        try self.folder.write("web/weights", "w")
        let (_, events) = try await self.fetch()
        let files = events.compactMap { if case .progress(let file, _, _) = $0 { file } else { nil } }
        #expect(Set(files) == ["weights"])
    }

    @Test func `a file of an unlikely size is refused`() async throws {
        let error = await #expect(throws: FetchError.self) { _ = try await self.fetch(bytesLimit: 1000) }
        #expect(error?.description.contains("at most 1000 are expected") == true)
    }
}
