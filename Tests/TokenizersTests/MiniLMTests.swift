import Digests
import Foundation
import Testing

@testable import Tokenizers

/// The tokens of whole files as the reference gives them for all-MiniLM-L6-v2.
///
/// Needs the backbone (`QUINTET_MINILM`, or the cache) and the development data beside the checkout; skipped without.
@Suite struct MiniLMTests {
    struct Files: Decodable {
        var maximumLength: Int
        var files: [String: String]
    }

    static let backbone: String? = {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["QUINTET_CACHE"] ?? "\(NSHomeDirectory())/.cache/quintet"
        let folders = [environment["QUINTET_MINILM"], "\(cache)/backbones/all-minilm-l6-v2"].compactMap { $0 }
        return folders.first { FileManager.default.fileExists(atPath: "\($0)/tokenizer.json") }
    }()

    static let data: String? = {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().appending(path: "../../..").standardized
        let folder = root.appending(path: "../shared/data/glue").standardized.path
        return FileManager.default.fileExists(atPath: folder) ? folder : nil
    }()

    static let columns = ["RTE": (1, 2), "CoLA": (3, nil), "STS-B": (7, 8)] as [String: (Int, Int?)]

    @Test(
        .enabled(
            if: backbone != nil && data != nil,
            "needs all-minilm-l6-v2 (in the cache or at QUINTET_MINILM) and ../shared/data/glue"
        )
    )
    func `every example of three tasks has the reference's tokens`() throws {
        let folder = try #require(Self.backbone)
        let data = try #require(Self.data)
        let expected = try golden("glue.json", as: Files.self)
        #expect(expected.files.count == 6)
        let fromFile = try loadTokenizer(folder: folder)
        let fromLines = try withFolder(["vocab.txt": String(contentsOfFile: "\(folder)/vocab.txt", encoding: .utf8)]) {
            try loadTokenizer(folder: $0)
        }
        for (name, digest) in expected.files.sorted(by: { $0.key < $1.key }) {
            let task = String(name.split(separator: "/")[0])
            let (first, second) = try #require(Self.columns[task])
            let text = try String(contentsOfFile: "\(data)/\(name).tsv", encoding: .utf8)
            for tokenizer in [fromFile, fromLines] {
                var sha = SHA256()
                for line in text.split(separator: "\n").dropFirst(task == "CoLA" ? 0 : 1) {
                    let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                    let encoding = tokenizer.encode(
                        cells[first],
                        second.map { cells[$0] },
                        maximumLength: expected.maximumLength
                    )
                    let numbers = [Int32(encoding.ids.count)] + encoding.ids + encoding.typeIDs
                    numbers.map(\.littleEndian).withUnsafeBytes { sha.update($0) }
                }
                #expect(sha.finalize().description == digest, "\(name)")
            }
        }
    }
}
