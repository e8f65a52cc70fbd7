import Foundation
import Testing

@testable import Tokenizers

@Suite struct TokenTextsTests {
    /// A vocabulary as its file has it, added tokens included, read without the code under test.
    private func tokens(_ path: String) throws -> [Int: String] {
        let file = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path))) as? [String: Any]
        )
        var tokens: [Int: String] = [:]
        let model = file["model"] as? [String: Any]
        for (token, id) in model?["vocab"] as? [String: Int] ?? file as? [String: Int] ?? [:] { tokens[id] = token }
        for (id, piece) in (model?["vocab"] as? [[Any]] ?? []).enumerated() { tokens[id] = piece[0] as? String }
        for token in file["added_tokens"] as? [[String: Any]] ?? [] {
            tokens[try #require(token["id"] as? Int)] = token["content"] as? String
        }
        return tokens
    }

    @Test(arguments: ["uncased", "added", "pieces-json"])
    func `tokens are called what their file calls them`(folder: String) throws {
        let path = "\(goldenFolder)/\(folder)"
        let (tokenizer, expected) = (try loadTokenizer(folder: path), try self.tokens("\(path)/tokenizer.json"))
        #expect(expected.count > 50)
        for (id, token) in expected { #expect(tokenizer.text(of: Int32(id)) == token, "\(id)") }
        for id in [-1, Int32(tokenizer.vocabularySize), .min, .max] { #expect(tokenizer.text(of: id) == nil) }
    }

    @Test func `files of other forms give the same`() throws {
        for (first, second) in [("pieces", "pieces-json"), ("bytes-files", "bytes"), ("uncased-vocab", "uncased")] {
            let tokenizers = try [first, second].map { try loadTokenizer(folder: "\(goldenFolder)/\($0)") }
            for id in Int32(0)..<Int32(tokenizers[0].vocabularySize) {
                #expect(tokenizers[0].text(of: id) == tokenizers[1].text(of: id), "\(first), \(id)")
            }
        }
    }

    /// Goal: letters are shown as letters; blanks, controls, bytes that are no letter and marks that nobody sees as the
    /// vocabulary writes them.
    @Test func `byte-level tokens are shown as text`() throws {
        let names = ["Ġthe", "ĠcafÃ©", "Ãī", "Ã", "ĊĊ", "Âł", "æĿ±äº¬", "âĢį", "Ġ<", "né"]
        let vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] + names
        let object = Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, $0) })
        let files = ["vocab.json": String(decoding: try JSONEncoder().encode(object), as: UTF8.self), "merges.txt": ""]
        try withFolder(files) { folder in
            let tokenizer = try loadTokenizer(folder: folder)
            let shown = ["Ġthe", "Ġcafé", "É", "Ã", "ĊĊ", "Âł", "東京", "âĢį", "Ġ<", "né"]
            #expect((0..<vocabulary.count).map { tokenizer.text(of: Int32($0)) } == vocabulary.prefix(5) + shown)
        }
    }

    /// Goal: of real vocabularies every token has a text; but for letters beyond ASCII it is the file's.
    @Test(.enabled(if: SubwordTokenizerTests.shared != nil, "needs ../shared/tokenizers"))
    func `every token of real vocabularies has its text`() throws {
        let shared = try #require(SubwordTokenizerTests.shared)
        let expected = try self.tokens("\(shared)/tokenizers/roberta-base/tokenizer.json")
        let roberta = try loadTokenizer(folder: "\(shared)/tokenizers/roberta-base")
        #expect(expected.count == roberta.vocabularySize)
        for (id, token) in expected {
            let text = try #require(roberta.text(of: Int32(id)))
            let bytes = ByteLevelAlphabet.bytes(of: Array(token.utf8)) ?? []
            if bytes.allSatisfy({ $0 < 0x80 }) {
                #expect(text == token)
            } else {
                #expect(text == token || text.unicodeScalars.count < token.unicodeScalars.count)
            }
        }
        let deberta = try loadTokenizer(folder: "\(shared)/tokenizers/deberta-v3")
        let texts = deberta.encode("Unhappiness", "the end", maximumLength: 32).ids.map { deberta.text(of: $0) ?? "?" }
        #expect(texts.joined(separator: " ") == "[CLS] ▁Un happiness [SEP] ▁the ▁end [SEP]")
        #expect((0..<Int32(deberta.vocabularySize)).allSatisfy { deberta.text(of: $0) != nil })
        #expect(deberta.text(of: Int32(deberta.vocabularySize) - 1) == "[MASK]")
    }
}
