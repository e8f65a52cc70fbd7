// How `tokenizer.json` and `vocab.txt` describe a WordPiece tokenizer.

extension WordPieceTokenizer {
    /// From `tokenizer.json`. Its fields `truncation` and `padding` are left aside: they belong to who wrote the file,
    /// and length is ``encode(_:_:maximumLength:)``'s business.
    static func parsing(_ file: JSONValue, path: String) throws(TokenizerError) -> WordPieceTokenizer {
        guard let model = file["model"] else { throw TokenizerError(path, "has no \"model\"") }
        let kind = model["type"]?.text ?? (model["max_input_chars_per_word"] == nil ? "of no type" : "WordPiece")
        guard kind == "WordPiece" else {
            throw TokenizerError(path, "its model is \(kind); only WordPiece is supported")
        }
        let (trie, tokenCount, tokens) = try TokenizerParts.vocabulary(model["vocab"], path: path)
        let unknown = model["unk_token"]?.text ?? "[UNK]"
        guard let unknownID = trie.id(of: unknown.utf8) else {
            throw TokenizerError(path, "its unknown token \"\(unknown)\" is not in the vocabulary")
        }
        let normalizer = try Self.normalizer(file["normalizer"], path: path)
        try Self.checkPreTokenizer(file["pre_tokenizer"], path: path)
        let added = try TokenizerParts.addedTokens(file["added_tokens"], trie, path: path) {
            normalizer?.normalize($0.span) ?? $0
        }
        let processor = try TokenizerParts.postProcessor(file["post_processor"], path: path)
        return WordPieceTokenizer(
            normalizer: normalizer,
            model: WordPiece(
                vocabulary: trie,
                unknownID: unknownID,
                continuingPrefix: (model["continuing_subword_prefix"]?.text ?? "##").utf8,
                maximumScalars: model["max_input_chars_per_word"]?.integer ?? 100
            ),
            literalTokens: added.literal,
            normalizedTokens: added.normalized,
            postProcessor: processor,
            texts: TokenTexts(tokens + added.texts),
            vocabularySize: TokenizerParts.size(tokenCount, added.literal + added.normalized, processor)
        )
    }

    /// From the lines of `vocab.txt`; a token's id is the number of its line.
    static func parsing(
        vocabulary bytes: [UInt8],
        path: String,
        configuration: JSONValue?
    ) throws(TokenizerError) -> WordPieceTokenizer {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw TokenizerError(path, "is not UTF-8") }
        var lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        var trie = ByteTrie()
        let tokens = lines.enumerated().map { (bytes: Array(Self.trimmingEnd($1)), id: Int32($0)) }
        for token in tokens { trie.insert(token.bytes, id: token.id) }
        func special(_ token: String) throws(TokenizerError) -> Int32 {
            if let id = trie.id(of: token.utf8) { return id }
            throw TokenizerError(path, "has no line \"\(token)\"")
        }
        let unknownID = try special("[UNK]")
        let classification = try special("[CLS]")
        let separator = try special("[SEP]")
        let lowercases = configuration?["do_lower_case"]?.bool ?? true
        let normalizer = BertNormalizer(
            separatesIdeographs: configuration?["tokenize_chinese_chars"]?.bool ?? true,
            stripsAccents: configuration?["strip_accents"]?.bool ?? lowercases,
            lowercases: lowercases
        )
        let literal = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].compactMap { token in
            trie.id(of: token.utf8).map { AddedTokens.Token(content: Array(token.utf8), id: $0) }
        }
        return WordPieceTokenizer(
            normalizer: normalizer,
            model: WordPiece(
                vocabulary: trie,
                unknownID: unknownID,
                continuingPrefix: "##".utf8,
                maximumScalars: 100
            ),
            literalTokens: literal,
            normalizedTokens: [],
            postProcessor: .bert(classification: classification, separator: separator),
            texts: TokenTexts(tokens),
            vocabularySize: lines.count
        )
    }

    private static func trimmingEnd(_ line: Substring.UTF8View) -> Substring.UTF8View {
        let scalars = Substring(line).unicodeScalars
        let end = scalars.lastIndex { !UnicodeTables.shared.properties(of: $0.value).contains(.space) }
        return Substring(scalars[..<(end.map { scalars.index(after: $0) } ?? scalars.startIndex)]).utf8
    }

    private static func normalizer(_ value: JSONValue?, path: String) throws(TokenizerError) -> BertNormalizer? {
        guard let value else { return nil }
        let kind = value["type"]?.text ?? "of no type"
        guard kind == "BertNormalizer" else {
            throw TokenizerError(path, "its normalizer is \(kind); only BertNormalizer is supported")
        }
        let lowercases = value["lowercase"]?.bool ?? true
        return BertNormalizer(
            cleansText: value["clean_text"]?.bool ?? true,
            separatesIdeographs: value["handle_chinese_chars"]?.bool ?? true,
            stripsAccents: value["strip_accents"]?.bool ?? lowercases,
            lowercases: lowercases
        )
    }

    private static func checkPreTokenizer(_ value: JSONValue?, path: String) throws(TokenizerError) {
        let kind = value.map { $0["type"]?.text ?? "of no type" } ?? "missing"
        guard kind == "BertPreTokenizer" else {
            throw TokenizerError(path, "its pre-tokenizer is \(kind); only BertPreTokenizer is supported")
        }
    }
}
