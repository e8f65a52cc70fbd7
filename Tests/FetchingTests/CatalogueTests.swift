import Foundation
import Testing

@testable import Fetching

@Suite struct CatalogueTests {
    private let catalogue = Catalogue.standard(.none)

    @Test func `known names are found, and others get the nearest`() throws {
        #expect(try self.catalogue.entry("movie-reviews").files == ["train.tsv", "dev.tsv"])
        #expect(try self.catalogue.entry("all-minilm-l6-v2").kind == .backbone)
        let cases = [
            ("movie-review", "did you mean movie-reviews?"), ("minilm", "did you mean all-minilm-l6-v2?"),
            ("xyz", "known: all-minilm-l6-v2, deberta-v3-base"), ("super-glue", "did you mean superglue"),
        ]
        for (name, expected) in cases {
            let error = #expect(throws: FetchError.self) { try self.catalogue.entry(name) }
            #expect(error?.description.contains("\"\(name)\"") == true)
            #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
        }
    }

    @Test func `every source that is not https has a digest for each of its files`() throws {
        for entry in self.catalogue.entries {
            for source in entry.sources {
                guard case .package = source.origin else { continue }
                let last = try #require(source.unpacking.last)
                for member in last.members {
                    #expect(source.digests[member.file] != nil, "\(entry.name) \(member.file)")
                }
            }
        }
    }

    @Test func `the cache is where the environment says`() {
        #expect(Cache(environment: ["QUINTET_CACHE": "/some/where"]).folder.path == "/some/where")
        #expect(Cache(environment: ["HOME": "/home/someone"]).folder.path == "/home/someone/.cache/quintet")
        #expect(Cache(environment: ["HOME": "/h", "QUINTET_CACHE": ""]).folder.path == "/h/.cache/quintet")
    }

    @Test func `folders that a person put there are found`() throws {
        let folder = TemporaryFolder()
        let cache = Cache(folder: folder.url)
        #expect(cache.cachedFolder(for: "RTE", kind: .data) == nil)
        try folder.write("data/glue/RTE/train.tsv", "x")
        #expect(cache.cachedFolder(for: "RTE", kind: .data)?.path == "\(folder.url.path)/data/glue/RTE")
        #expect(cache.cachedFolder(for: "RTE", kind: .backbone) == nil)
        try folder.write("data/RTE/train.tsv", "x")
        #expect(cache.cachedFolder(for: "RTE", kind: .data)?.path == "\(folder.url.path)/data/RTE")
        for name in ["", "..", ".", "glue/RTE", "/data"] { #expect(cache.cachedFolder(for: name, kind: .data) == nil) }
    }
}
