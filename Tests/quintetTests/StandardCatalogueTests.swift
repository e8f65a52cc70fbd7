import Digests
import Encoders
import Fetching
import Foundation
import Sweeps
import Tasks
import Testing
import Tokenizers

@testable import quintet

/// What this machine makes itself when a grid names it.
@Suite struct StandardCatalogueTests {
    private let cache = Cache(
        folder: FileManager.default.temporaryDirectory.appending(path: "catalogue-\(UUID().uuidString)")
    )

    /// Goal: the generated backbone is one that training takes, and is the same on every machine, since its digest is
    /// part of shard keys.
    @Test func `the random backbone is whole and always the same`() async throws {
        defer { try? FileManager.default.removeItem(at: self.cache.folder) }
        let folder = try await Fetcher(cache: self.cache, catalogue: .quintet).fetch("tiny-random")
        let configuration = try EncoderConfiguration(folder: folder.path)
        let weights = try BackboneWeights(folder: folder.path)
        #expect(try weights.check(against: configuration.declarations { _ in false }) == [])
        #expect(try loadTokenizer(folder: folder.path).vocabularySize == configuration.vocabulary)
        let digest = try SHA256.hash(file: folder.appending(path: "model.safetensors").path)
        #expect(digest.description == "21f7bd9e148bf0eda317654e5a5f7d2c875ea68a3e642c7d77c1b953248f9696")
    }

    /// Goal: no word of the generated task is unknown to the generated backbone.
    @Test func `the generated task speaks the random backbone's language`() async throws {
        defer { try? FileManager.default.removeItem(at: self.cache.folder) }
        let fetcher = Fetcher(cache: self.cache, catalogue: .quintet)
        let data = try await fetcher.fetch("offline")
        let tokenizer = try loadTokenizer(folder: try await fetcher.fetch("tiny-random").path)
        let files = try TaskFiles(task: try TaskDescription.named("offline"), folder: data.path)
        let texts = try files.texts(.train)
        #expect(texts.count >= 500)
        let unknown = tokenizer.encode("zzz", nil, maximumLength: 64).ids[1]
        #expect(texts.allSatisfy { !tokenizer.encode($0.first, nil, maximumLength: 64).ids.contains(unknown) })
    }

    /// Goal: what the ready grids name can be had.
    @Test func `everything that the ready grids name is in the catalogue`() throws {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().appending(
            path: "../.."
        )
        for name in ["quickstart", "offline", "sora-table", "adalora-table", "alora-table"] {
            let text = try String(contentsOf: root.appending(path: "cluster/sweeps/\(name).yaml"), encoding: .utf8)
            let sweep = try SweepDefinition(yaml: text, file: name)
            #expect(try Catalogue.quintet.entry(sweep.backbone).kind == .backbone)
            // MNLI's two dev sets lie in one folder.
            for task in sweep.tasks {
                let folder = try TaskDescription.named(task).folder.lowercased()
                #expect(try Catalogue.quintet.entry(folder).kind == .data)
            }
        }
    }
}
