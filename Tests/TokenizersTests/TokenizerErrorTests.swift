import Testing

@testable import Tokenizers

@Suite struct TokenizerErrorTests {
    static let model = #""model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1}}"#
    static let bert = #""pre_tokenizer": {"type": "BertPreTokenizer"}"#

    @Test(
        arguments: [
            ([:], "has neither tokenizer.json nor vocab.txt"),
            (["vocab.json": "{}"], "byte-level BPE"),
            (["spm.model": ""], "SentencePiece"),
            (["tokenizer.json": "{"], "no valid JSON at byte 1"),
            (["tokenizer.json": "{}"], "has no \"model\""),
            (["tokenizer.json": #"{"model": {"type": "BPE"}}"#], "its model is BPE; only WordPiece"),
            (["tokenizer.json": #"{"model": {"type": "WordPiece"}}"#], "has no vocabulary"),
            (["tokenizer.json": #"{"model": {"type": "WordPiece", "vocab": {"a": -1}}}"#], "the id of \"a\""),
            (
                ["tokenizer.json": #"{"model": {"type": "WordPiece", "vocab": {"a": 1}}}"#],
                "\"[UNK]\" is not in the voc"
            ),
            (["tokenizer.json": "{\(model)}"], "its pre-tokenizer is missing"),
            (
                ["tokenizer.json": #"{\#(model), "pre_tokenizer": {"type": "Whitespace"}}"#],
                "its pre-tokenizer is Whitespace"
            ),
            (["tokenizer.json": #"{\#(model), \#(bert), "normalizer": {"type": "NFC"}}"#], "its normalizer is NFC"),
            (["tokenizer.json": #"{\#(model), \#(bert), "post_processor": {"type": "ByteLevel"}}"#], "is ByteLevel"),
            (["tokenizer.json": #"{\#(model), \#(bert), "post_processor": {"type": "BertProcessing"}}"#], "no \"cls\""),
            (
                ["tokenizer.json": #"{\#(model), \#(bert), "added_tokens": [{"id": 0, "content": "a"}]}"#],
                "has the id 0"
            ),
            (
                [
                    "tokenizer.json":
                        #"{\#(model), \#(bert), "added_tokens": [{"id": 7, "content": "b", "single_word": true}]}"#
                ],
                "single_word"
            ),
            (["vocab.txt": "[UNK]\n[SEP]\n"], "has no line \"[CLS]\""),
        ] as [([String: String], String)]
    )
    func `says which file is wrong, what in it, and what would be right`(
        files: [String: String],
        expected: String
    ) throws {
        try withFolder(files) { folder in
            let error = try #require(throws: TokenizerError.self) { try loadTokenizer(folder: folder) }
            #expect(error.description.hasPrefix(folder))
            #expect(error.description.contains(expected), "\(error)")
        }
    }

    @Test func `a folder that is not there is named`() throws {
        let error = try #require(throws: TokenizerError.self) { try loadTokenizer(folder: "/nowhere/at/all") }
        #expect(error.path == "/nowhere/at/all")
    }
}
