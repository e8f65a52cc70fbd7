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
        guard case .object(let entries)? = model["vocab"] else { throw TokenizerError(path, "has no vocabulary") }
        var trie = ByteTrie()
        var size = 0
        for entry in entries {
            guard let id = entry.value.integer, id >= 0, id < Int32.max else {
                let token = String(decoding: entry.name, as: UTF8.self)
                throw TokenizerError(path, "the id of \"\(token)\" is no number from 0 to \(Int32.max - 1)")
            }
            trie.insert(entry.name, id: Int32(id))
            size = max(size, id + 1)
        }
        let unknown = model["unk_token"]?.text ?? "[UNK]"
        guard let unknownID = trie.id(of: unknown.utf8) else {
            throw TokenizerError(path, "its unknown token \"\(unknown)\" is not in the vocabulary")
        }
        let normalizer = try Self.normalizer(file["normalizer"], path: path)
        try Self.checkPreTokenizer(file["pre_tokenizer"], path: path)
        let added = try Self.addedTokens(file["added_tokens"], trie, normalizer, path: path)
        size = (added.literal + added.normalized).reduce(size) { max($0, Int($1.id) + 1) }
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
            postProcessor: try Self.postProcessor(file["post_processor"], path: path),
            vocabularySize: size
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
        for (number, line) in lines.enumerated() { trie.insert(Self.trimmingEnd(line), id: Int32(number)) }
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

    private static func addedTokens(
        _ value: JSONValue?,
        _ vocabulary: ByteTrie,
        _ normalizer: BertNormalizer?,
        path: String
    ) throws(TokenizerError) -> (literal: [AddedTokens.Token], normalized: [AddedTokens.Token]) {
        var literal: [AddedTokens.Token] = []
        var normalized: [AddedTokens.Token] = []
        for entry in value?.elements ?? [] {
            guard case .text(var content)? = entry["content"], let id = entry["id"]?.integer, id >= 0, id < Int32.max
            else { throw TokenizerError(path, "an added token has no content or no valid id") }
            let shown = String(decoding: content, as: UTF8.self)
            guard vocabulary.id(of: content).map({ Int($0) == id }) ?? true else {
                throw TokenizerError(path, "the added token \"\(shown)\" has the id \(id), but not in the vocabulary")
            }
            guard entry["single_word"]?.bool != true else {
                throw TokenizerError(path, "the added token \"\(shown)\" is a single_word; this is not supported")
            }
            let isNormalized = entry["normalized"]?.bool ?? false
            if isNormalized, let normalizer { content = normalizer.normalize(content.span) }
            guard !content.isEmpty else { continue }
            let token = AddedTokens.Token(
                content: content,
                id: Int32(id),
                stripsLeft: entry["lstrip"]?.bool ?? false,
                stripsRight: entry["rstrip"]?.bool ?? false
            )
            if isNormalized { normalized.append(token) } else { literal.append(token) }
        }
        return (literal, normalized)
    }

    private static func postProcessor(_ value: JSONValue?, path: String) throws(TokenizerError) -> PostProcessor {
        guard let value else { return .none }
        switch value["type"]?.text ?? "of no type" {
        case "BertProcessing":
            func id(_ name: String) throws(TokenizerError) -> Int32 {
                if let pair = value[name]?.elements, pair.count == 2, let id = pair[1].integer.flatMap(Int32.init) {
                    return id
                }
                throw TokenizerError(path, "its post-processor has no \"\(name)\"")
            }
            return .bert(classification: try id("cls"), separator: try id("sep"))
        case "TemplateProcessing":
            return PostProcessor(
                single: try Self.template("single", value, path: path),
                pair: try Self.template("pair", value, path: path)
            )
        case let kind:
            let supported = "TemplateProcessing and BertProcessing"
            throw TokenizerError(path, "its post-processor is \(kind); only \(supported) are supported")
        }
    }

    private static func template(
        _ name: String,
        _ processor: JSONValue,
        path: String
    ) throws(TokenizerError) -> [PostProcessor.Piece] {
        var pieces: [PostProcessor.Piece] = []
        for element in processor[name]?.elements ?? [] {
            let piece = element["Sequence"] ?? element["SpecialToken"]
            guard let id = piece?["id"]?.text, let typeID = piece?["type_id"]?.integer.flatMap(Int32.init) else {
                throw TokenizerError(path, "its template \"\(name)\" holds what is neither a text nor a special token")
            }
            if element["SpecialToken"] != nil {
                let ids = processor["special_tokens"]?[id]?["ids"]?.elements?.compactMap {
                    $0.integer.flatMap(Int32.init)
                }
                guard let ids, !ids.isEmpty else {
                    throw TokenizerError(path, "its template \"\(name)\" names \"\(id)\", which is no special token")
                }
                pieces.append(.special(ids: ids, typeID: typeID))
            } else {
                pieces.append(id == "A" ? .first(typeID: typeID) : .second(typeID: typeID))
            }
        }
        guard !pieces.isEmpty else { throw TokenizerError(path, "its post-processor has no template \"\(name)\"") }
        return pieces
    }
}
