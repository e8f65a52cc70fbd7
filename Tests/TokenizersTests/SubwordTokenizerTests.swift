import Digests
import Foundation
import Testing

@testable import Tokenizers

/// Byte-level BPE and unigram tokenizers; the golden files are from `Tests/Reference/make_subword_golden.py`.
@Suite struct SubwordTokenizerTests {
    struct Cases: Decodable {
        var cases: [Case]
    }

    struct Case: Decodable {
        var first: String
        var second: String?
        var maximumLength: Int
        var bytes: Expected
        var prefixed: Expected
        var pieces: Expected
        var uncased: Expected

        enum CodingKeys: String, CodingKey {
            case first, second, maximumLength, bytes, pieces, uncased
            case prefixed = "bytes-prefixed"
        }
    }

    struct Expected: Decodable {
        var ids: [Int32]
        var typeIDs: [Int32]
        /// Of the first text's tokens: beginning and end of each in turn.
        var offsets: [Int]
    }

    @Test(arguments: ["bytes", "bytes-files", "bytes-prefixed", "pieces", "pieces-json", "uncased"])
    func `gives the reference's tokens and offsets on hard texts, pairs and lengths`(folder: String) throws {
        let tokenizer = try loadTokenizer(folder: "\(goldenFolder)/\(folder)")
        let cases = try golden("subwords.json", as: Cases.self).cases
        #expect(cases.count > 250)
        for item in cases {
            let expected =
                switch folder {
                case "bytes-prefixed": item.prefixed
                case "pieces", "pieces-json": item.pieces
                case "uncased": item.uncased
                default: item.bytes
                }
            let encoding = tokenizer.encode(item.first, item.second, maximumLength: item.maximumLength)
            let text = "\(item.first.debugDescription), \(item.second.debugDescription), \(item.maximumLength)"
            #expect(encoding.ids == expected.ids, "\(text)")
            #expect(encoding.typeIDs == expected.typeIDs, "\(text)")
            let tokens = tokenizer.tokens(item.first)
            // Marks that change places keep their own offsets; the reference exchanges these.
            guard folder != "uncased" || !item.first.unicodeScalars.contains("\u{302e}") else { continue }
            #expect(tokens.offsets.flatMap { [$0.lowerBound, $0.upperBound] } == expected.offsets, "\(text)")
            #expect(
                tokenizer.encode(
                    ids: tokens.ids,
                    item.second.map { tokenizer.tokens($0).ids },
                    maximumLength: item.maximumLength
                ) == encoding
            )
        }
    }

    @Test(arguments: ["bytes", "pieces"])
    func `malformed UTF-8 counts as replacement characters`(folder: String) throws {
        let tokenizer = try loadTokenizer(folder: "\(goldenFolder)/\(folder)")
        let malformed = String(decoding: [UInt8(ascii: "t"), 0xFF, UInt8(ascii: "o")], as: UTF8.self)
        #expect(tokenizer.tokens(malformed) == tokenizer.tokens("t\u{FFFD}o"))
    }

    @Test(arguments: ["bytes", "pieces", "uncased"])
    func `a word of half a million letters is cut like any other`(folder: String) throws {
        let tokenizer = try loadTokenizer(folder: "\(goldenFolder)/\(folder)")
        let word = String(repeating: "unhappiness", count: 50_000)
        #expect(tokenizer.tokens(word).offsets.last?.upperBound == word.utf8.count)
    }

    struct Files: Decodable {
        var files: [String: String]
    }

    /// Needs the tokenizers and the data beside the checkout; skipped without.
    static let shared: String? = {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().appending(path: "../../..").standardized
        let folder = root.appending(path: "../shared").standardized.path
        let isThere = FileManager.default.fileExists(atPath: "\(folder)/tokenizers/deberta-v3/spm.model")
        return isThere && FileManager.default.fileExists(atPath: "\(folder)/data/glue") ? folder : nil
    }()

    @Test(
        .enabled(if: shared != nil, "needs ../shared/tokenizers and ../shared/data/glue"),
        arguments: ["roberta-base", "deberta-v3"]
    )
    func `every sentence of three tasks has the reference's tokens`(name: String) throws {
        let shared = try #require(Self.shared)
        let expected = try golden("subword-files.json", as: Files.self).files
        let tokenizer = try loadTokenizer(folder: "\(shared)/tokenizers/\(name)")
        for (task, (first, second)) in MiniLMTests.columns {
            var sha = SHA256()
            for split in ["train", "dev"] {
                let text = try String(contentsOfFile: "\(shared)/data/glue/\(task)/\(split).tsv", encoding: .utf8)
                for line in text.split(separator: "\n").dropFirst(task == "CoLA" ? 0 : 1) {
                    let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                    for column in [first, second].compactMap(\.self) where !cells[column].isEmpty {
                        let ids = tokenizer.encode(cells[column], maximumLength: .max).ids
                        let numbers = [Int32(ids.count)] + ids
                        numbers.map(\.littleEndian).withUnsafeBytes { sha.update($0) }
                    }
                }
            }
            #expect(sha.finalize().description == expected["\(name)/\(task)"], "\(task)")
        }
    }
}
