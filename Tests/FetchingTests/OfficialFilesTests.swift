import Digests
import Foundation
import Synchronization
import Testing
import Transport

@testable import Fetching

extension FileRules {
    /// Makes nothing of anything.
    static let none = FileRules(
        movieReviews: { _ in [:] },
        paraphrases: { _ in [:] },
        convertWeights: { _, _ in },
        checkData: { _, _ in }
    )
}

/// Goal: what is published comes from where it is published, whole or not at all.
@Suite(.timeLimit(.minutes(5))) struct OfficialFilesTests {
    private let folder = TemporaryFolder()

    private var cache: Cache { Cache(folder: self.folder.url.appendingPathComponent("cache")) }

    private func fetch(_ entry: Entry, _ https: HTTPSClient = HTTPSClient()) async throws -> URL {
        try await Fetcher(cache: self.cache, catalogue: Catalogue([entry]), https: https).fetch(entry.name)
    }

    /// The same files, from one folder of an address.
    private func moved(_ entry: Entry, to base: String) throws -> Entry {
        var entry = entry
        guard case .https(let downloads) = entry.sources[0].origin else { throw FetchError("no addresses") }
        entry.sources[0].origin = .https(
            downloads.map { .init(address: "\(base)/\($0.file)", file: $0.file, bytesLimit: 1 << 20) }
        )
        return entry
    }

    /// Conversion writes the archive's text in capitals.
    private static let capitals: FileRules = {
        var rules = FileRules.none
        rules.convertWeights = { archive, file in
            let text = try String(contentsOf: archive, encoding: .utf8)
            guard text != "damaged" else { throw FetchError("the archive is damaged") }
            try Data(text.uppercased().utf8).write(to: file)
        }
        rules.checkData = { name, folder in
            let rows = try String(contentsOf: folder.appendingPathComponent("train.tsv"), encoding: .utf8)
            guard rows == "rows of \(name)" else { throw FetchError("train.tsv has other rows") }
        }
        return rules
    }()

    @Test func `every group and every official file is named`() throws {
        let catalogue = Catalogue.standard(.none)
        #expect(try catalogue.names("glue").count == 9 && catalogue.names("superglue").count == 8)
        #expect(try catalogue.names("squad") == ["squad"])
        #expect(throws: FetchError.self) { try catalogue.names("glueten") }
        for name in ["deberta-v3-base", "roberta-large", "squad"]
            + (try catalogue.names("glue") + catalogue.names("superglue"))
        {
            let entry = try catalogue.entry(name)
            guard case .https(let downloads) = entry.sources[0].origin else {
                Issue.record("\(name) has no address")
                continue
            }
            #expect(downloads.allSatisfy { $0.address.hasPrefix("https://") && $0.address.hasSuffix("/" + $0.file) })
            #expect(!entry.files.isEmpty && entry.sources.allSatisfy { $0.digests.isEmpty }, "\(name)")
        }
        #expect(try catalogue.entry("rte").place(in: self.cache).path == "\(self.cache.folder.path)/data/glue/RTE")
        let rte = self.cache.cachedFolder(for: "RTE", kind: .data)
        #expect(rte == nil)
    }

    /// Goal: without a network a person learns which files to bring and where, and that works.
    @Test func `published files that a person brings are taken`() async throws {
        let entry = try self.moved(.debertaV3Base(Self.capitals), to: "https://localhost:1")
        let error = await #expect(throws: FetchError.self) { _ = try await self.fetch(entry) }
        let place = "\(self.cache.folder.path)/backbones"
        let expected = [
            "Put the files config.json, spm.model, tokenizer_config.json, model.safetensors into \(place)/deberta-v3-base",
            "pytorch_model.bin as published into \(place)/deberta-v3-base.published",
        ]
        for text in expected { #expect(error?.description.contains(text) == true, "\(error?.description ?? "")") }
        for name in ["config.json", "spm.model", "tokenizer_config.json", "pytorch_model.bin"] {
            try self.folder.write("cache/backbones/deberta-v3-base.published/\(name)", "of \(name)")
        }
        let folder = try await self.fetch(entry)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                == ["config.json", "model.safetensors", "spm.model", "tokenizer_config.json"]
        )
        let weights = try String(contentsOf: folder.appendingPathComponent("model.safetensors"), encoding: .utf8)
        #expect(weights == "OF PYTORCH_MODEL.BIN")
        #expect(try await self.fetch(entry) == folder)
        // Nobody says that the publisher sent them.
        let record = try DigestRecord(
            at: self.cache.kindFolder(.backbone).appending(path: "deberta-v3-base.digests.json")
        )
        #expect(record?.raw == [:] && record?.finished.count == 4)
    }

    @Test func `an archive that cannot be converted leaves nothing`() async throws {
        let entry = try self.moved(.debertaV3Base(Self.capitals), to: "https://localhost:1")
        for name in ["config.json", "spm.model", "tokenizer_config.json", "pytorch_model.bin"] {
            try self.folder.write("cache/backbones/deberta-v3-base.published/\(name)", "damaged")
        }
        let error = await #expect(throws: FetchError.self) { _ = try await self.fetch(entry) }
        #expect(error?.description.contains("the archive is damaged") == true)
        #expect(!FileManager.default.fileExists(atPath: entry.place(in: self.cache).path))
    }

    /// Goal: an archive's members land in the task's own folder, and only if they are what was published.
    /// Method: an archive with one member more, whose path leads out of it.
    @Test(.enabled(if: LocalWeb.isPossible, "needs python3 and openssl"))
    func `an archive gives its own files, checked`() async throws {
        let web = try await self.web()
        let rte = try #require(Entry.glue(Self.capitals).first { $0.name == "rte" })
        let entry = try self.moved(rte, to: "https://localhost:\(web.port)")
        let https = HTTPSClient(rootsFile: web.roots)
        try await self.makeArchive(rows: "other rows")
        let error = await #expect(throws: FetchError.self) { _ = try await self.fetch(entry, https) }
        #expect(error?.description.contains("train.tsv has other rows") == true)
        #expect(self.cache.cachedFolder(for: "RTE", kind: .data) == nil)
        try FileManager.default.removeItem(at: self.cache.folder)
        try await self.makeArchive(rows: "rows of rte")
        let folder = try await self.fetch(entry, https)
        #expect(folder == self.cache.cachedFolder(for: "RTE", kind: .data))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                == ["dev.tsv", "test.tsv", "train.tsv"]
        )
        let outside = self.cache.folder.appendingPathComponent("data/outside.tsv")
        #expect(!FileManager.default.fileExists(atPath: outside.path))
    }

    /// Goal: a server that fails in the middle fails the fetch, which a later one mends.
    @Test(
        .enabled(if: LocalWeb.isPossible, "needs python3 and openssl"),
        arguments: ["cut", "silent", "long", "short"]
    )
    func `a server that breaks off, stalls or lies gives nothing`(fault: String) async throws {
        let web = try await self.web()
        let (base, names) = (
            "https://localhost:\(web.port)", ["train-v1.1.json", "dev-v1.1.json", "train-v2.0.json", "dev-v2.0.json"]
        )
        for name in names { try self.folder.write("web/\(name)", String(repeating: name, count: 10_000)) }
        let patient = HTTPSClient(rootsFile: web.roots)
        // Only silence is to run into the limit, however busy the machine is.
        let https =
            fault == "silent"
            ? HTTPSClient(limits: HTTPSClient.Limits(idleSeconds: 3), rootsFile: web.roots) : patient
        let faulty = try self.moved(.squad(.none), to: "\(base)/\(fault)")
        if fault != "short" {
            let error = await #expect(throws: FetchError.self) { _ = try await self.fetch(faulty, https) }
            #expect(error?.description.contains("dev-v2.0.json into \(self.cache.folder.path)/data/squad") == true)
            #expect(!FileManager.default.fileExists(atPath: faulty.place(in: self.cache).path))
        } else {
            // Too short a length gives a file that is whole for all that HTTP says: its content tells.
            var rules = FileRules.none
            rules.checkData = { _, folder in
                let bytes = try Data(contentsOf: folder.appendingPathComponent("train-v1.1.json")).count
                throw FetchError("train-v1.1.json has \(bytes) bytes")
            }
            let checked = try self.moved(.squad(rules), to: "\(base)/\(fault)")
            let error = await #expect(throws: FetchError.self) { _ = try await self.fetch(checked, https) }
            #expect(
                error?.description.contains("train-v1.1.json has 149993 bytes") == true,
                "\(error?.description ?? "")"
            )
            return
        }
        let folder = try await self.fetch(try self.moved(.squad(.none), to: base), patient)
        for name in names {
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            #expect(text == String(repeating: name, count: 10_000))
        }
    }

    private func web() async throws -> LocalWeb {
        let place = self.folder.url.appendingPathComponent("web")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        return try await LocalWeb(serving: place, certificates: self.folder.url)
    }

    private func makeArchive(rows: String) async throws {
        let script = """
            import sys, zipfile
            with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
                for name in ("RTE/train.tsv", "RTE/dev.tsv", "RTE/test.tsv", "../../outside.tsv"):
                    archive.writestr(name, sys.argv[2])
            """
        try await ChildProcess.run(
            ["python3", "-c", script, self.folder.url.appendingPathComponent("web/RTE.zip").path, rows],
            log: self.folder.url.appendingPathComponent("archive.log"),
            secondsLimit: 60
        )
    }
}
