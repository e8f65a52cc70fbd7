import Foundation
import Testing

@testable import Tokenizers

@Suite struct WordPieceTokenizerTests {
    struct Cases: Decodable {
        var cases: [Case]
    }

    struct Case: Decodable {
        var first: String
        var second: String?
        var maximumLength: Int
        var uncased: Tokens
        var cased: Tokens
        var added: Tokens
    }

    struct Tokens: Decodable {
        var ids: [Int32]
        var typeIDs: [Int32]
    }

    @Test(arguments: ["uncased", "uncased-vocab", "cased", "added"])
    func `gives the reference's tokens on hard texts, pairs and lengths`(folder: String) throws {
        let tokenizer = try loadTokenizer(folder: "\(goldenFolder)/\(folder)")
        let cases = try golden("cases.json", as: Cases.self).cases
        #expect(cases.count > 250)
        for item in cases {
            let expected =
                switch folder {
                case "cased": item.cased
                case "added": item.added
                default: item.uncased
                }
            let encoding = tokenizer.encode(item.first, item.second, maximumLength: item.maximumLength)
            let text = "\(item.first.debugDescription), \(item.second.debugDescription), \(item.maximumLength)"
            #expect(encoding.ids == expected.ids, "\(text)")
            #expect(encoding.typeIDs == expected.typeIDs, "\(text)")
        }
    }

    @Test func `the folder's files pick the tokenizer`() throws {
        let tokenizer = try loadTokenizer(folder: "\(goldenFolder)/uncased/")
        #expect(tokenizer is WordPieceTokenizer)
        #expect(tokenizer.encode("ship", maximumLength: 128).ids.count == 3)
        let fromLines = try loadTokenizer(folder: "\(goldenFolder)/uncased-vocab")
        #expect(fromLines.vocabularySize == tokenizer.vocabularySize)
    }

    @Test func `the vocabulary's size counts added tokens`() throws {
        let plain = try loadTokenizer(folder: "\(goldenFolder)/uncased")
        let added = try loadTokenizer(folder: "\(goldenFolder)/added")
        #expect(added.vocabularySize == plain.vocabularySize + 5)
    }

    @Test func `special tokens stay even where the maximum has no room for them`() throws {
        let tokenizer = try loadTokenizer(folder: "\(goldenFolder)/uncased")
        #expect(tokenizer.encode("the ship", nil, maximumLength: 1).ids == [2, 3])
        #expect(tokenizer.encode("the ship", "left", maximumLength: 0).ids == [2, 3, 3])
    }

    @Test func `malformed UTF-8 counts as replacement characters, which are dropped`() throws {
        let tokenizer = try loadTokenizer(folder: "\(goldenFolder)/uncased")
        let malformed = String(decoding: [UInt8(ascii: "t"), 0xC3, 0xFF, UInt8(ascii: "o"), 0xE2, 0x82], as: UTF8.self)
        #expect(tokenizer.encode(malformed, maximumLength: 9) == tokenizer.encode("to", maximumLength: 9))
    }

    @Test func `canonically equivalent pieces are different entries of a vocabulary`() throws {
        let vocabulary = "[UNK]\n[CLS]\n[SEP]\n\u{e9}\ne\u{301}\n"
        let configuration = #"{"do_lower_case": false}"#
        try withFolder(["vocab.txt": vocabulary, "tokenizer_config.json": configuration]) { folder in
            let tokenizer = try loadTokenizer(folder: folder)
            #expect(tokenizer.encode("\u{e9}", maximumLength: 9).ids == [1, 3, 2])
            #expect(tokenizer.encode("e\u{301}", maximumLength: 9).ids == [1, 4, 2])
        }
    }
}
