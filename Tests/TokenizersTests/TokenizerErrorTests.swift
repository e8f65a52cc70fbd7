import Testing

@testable import Tokenizers

@Suite struct TokenizerErrorTests {
    static let model = #""model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1}}"#
    static let bert = #""pre_tokenizer": {"type": "BertPreTokenizer"}"#

    static let unigram = #""model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0]]}"#
    static let roberta = #"{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "b": 6}"#

    @Test(
        arguments: [
            ([:], "has neither tokenizer.json, vocab.txt, vocab.json with merges.txt nor spm.model"),
            (["vocab.json": "{}"], "has vocab.json, but no merges.txt"),
            (["merges.txt": "a b"], "has merges.txt, but no vocab.json"),
            (["vocab.json": "{}", "merges.txt": ""], "its vocabulary has no \"<s>\""),
            (["vocab.json": roberta, "merges.txt": "#version: 0.2\na b\n"], "merge 1, \"a b\", is not two tokens"),
            (["spm.model": "\u{1}"], "is no SentencePiece model at byte 1"),
            (["spm.model": ""], "its unknown token 0 is none of its 0 pieces"),
            (["tokenizer.json": #"{"model": {"type": "Unigram", "vocab": [["a", 0]]}}"#], "its \"unk_id\" is missing"),
            (["tokenizer.json": #"{\#(unigram), "normalizer": {"type": "NFC"}}"#], "has the step NFC"),
            (["tokenizer.json": "{\(unigram)}"], "its pre-tokenizer is missing; only Metaspace"),
            (["tokenizer.json": #"{"model": {"type": "BPE", "vocab": {}}}"#], "only ByteLevel"),
            (["tokenizer.json": "{"], "no valid JSON at byte 1"),
            (["tokenizer.json": "{}"], "has no \"model\""),
            (["tokenizer.json": #"{"model": {"type": "WordLevel"}}"#], "its model is WordLevel; only WordPiece, BPE"),
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
            (["tokenizer.json": #"{\#(model), \#(bert), "post_processor": {"type": "Sequence"}}"#], "is Sequence"),
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
