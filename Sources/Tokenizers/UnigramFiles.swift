import Foundation

// How `tokenizer.json` and `spm.model` describe a unigram tokenizer.

extension UnigramTokenizer {
    /// From `tokenizer.json`.
    static func parsing(_ file: JSONValue, path: String) throws(TokenizerError) -> UnigramTokenizer {
        guard let model = file["model"] else { throw TokenizerError(path, "has no \"model\"") }
        guard model["byte_fallback"]?.bool != true else {
            throw TokenizerError(path, "its model sets \"byte_fallback\"; this is not supported")
        }
        guard let entries = model["vocab"]?.elements, !entries.isEmpty else {
            throw TokenizerError(path, "has no vocabulary")
        }
        var pieces: [(bytes: [UInt8], score: Double)] = []
        pieces.reserveCapacity(entries.count)
        for entry in entries {
            guard let pair = entry.elements, pair.count == 2, case .text(let bytes) = pair[0],
                case .number(let score) = pair[1]
            else { throw TokenizerError(path, "piece \(pieces.count) of its vocabulary is no text with a score") }
            pieces.append((bytes, score))
        }
        guard let unknownID = model["unk_id"]?.integer, pieces.indices.contains(unknownID) else {
            throw TokenizerError(path, "its \"unk_id\" is missing or no piece of its \(pieces.count)")
        }
        let normalizations = try file["normalizer"].map { value throws(TokenizerError) in
            try Self.normalizations(value, path: path)
        }
        var ids = ByteTrie()
        for (id, piece) in pieces.enumerated() { ids.insert(piece.bytes, id: Int32(id)) }
        let added = try TokenizerParts.addedTokens(file["added_tokens"], ids, path: path) {
            Self.normalize(AlignedText($0.span, 0..<$0.count), normalizations ?? []).bytes
        }
        let processor = try TokenizerParts.postProcessor(file["post_processor"], path: path)
        return UnigramTokenizer(
            normalizations: normalizations ?? [],
            addsPrefixSpace: try Self.addsPrefixSpace(file["pre_tokenizer"], path: path),
            model: UnigramModel(pieces: pieces, unknownID: Int32(unknownID)),
            literalTokens: AddedTokens(added.literal),
            normalizedTokens: AddedTokens(added.normalized),
            postProcessor: processor,
            texts: TokenTexts(pieces.enumerated().map { ($1.bytes, Int32($0)) } + added.texts),
            vocabularySize: TokenizerParts.size(pieces.count, added.literal + added.normalized, processor)
        )
    }

    private static func normalizations(
        _ value: JSONValue,
        path: String,
        depth: Int = 0
    ) throws(TokenizerError) -> [Normalization] {
        let kind = value["type"]?.text ?? "of no type"
        switch kind {
        case "Sequence" where depth < 8:
            var steps: [Normalization] = []
            for element in value["normalizers"]?.elements ?? [] {
                steps += try Self.normalizations(element, path: path, depth: depth + 1)
            }
            return steps
        case "Strip":
            let (left, right) = (value["strip_left"]?.bool ?? true, value["strip_right"]?.bool ?? true)
            return [.stripBlanks(left: left, right: right)]
        case "Precompiled":
            let text = value["precompiled_charsmap"]?.text ?? ""
            guard let map = Data(base64Encoded: text).flatMap({ CharacterMap(Array($0)[...]) }) else {
                throw TokenizerError(path, "its \"precompiled_charsmap\" is no map of characters in base 64")
            }
            return [.characters(map)]
        case "Replace" where value["pattern"]?["Regex"]?.text == " {2,}":
            guard case .text(let content)? = value["content"] else { fallthrough }
            return [.spaces(to: content)]
        default:
            throw TokenizerError(
                path,
                "its normalizer has the step \(kind); only Strip, Precompiled and Replace of \" {2,}\" are supported"
            )
        }
    }

    private static func addsPrefixSpace(_ value: JSONValue?, path: String) throws(TokenizerError) -> Bool {
        guard let value else { throw TokenizerError(path, "its pre-tokenizer is missing; only Metaspace is supported") }
        let kind = value["type"]?.text ?? "of no type"
        if kind == "Sequence", let elements = value["pretokenizers"]?.elements, elements.count == 1,
            elements[0]["type"]?.text == "Metaspace"
        {
            return try Self.addsPrefixSpace(elements[0], path: path)
        }
        let scheme = value["prepend_scheme"]?.text ?? (value["add_prefix_space"]?.bool ?? true ? "always" : "never")
        guard kind == "Metaspace", value["replacement"]?.text == "▁", value["split"]?.bool ?? true,
            ["always", "never"].contains(scheme)
        else {
            throw TokenizerError(
                path,
                "its pre-tokenizer is \(kind), prepending \(scheme); only Metaspace with \"▁\", always or never "
                    + "prepended and split, is supported"
            )
        }
        return scheme == "always"
    }

    /// From `spm.model` as DeBERTa uses it: "[MASK]" may stand behind the last piece, and what is no piece is unknown,
    /// although the file has pieces of bytes.
    static func parsing(
        model bytes: [UInt8],
        path: String,
        configuration: JSONValue?
    ) throws(TokenizerError) -> UnigramTokenizer {
        let file: SentencePieceFile
        do {
            file = try SentencePieceFile(bytes)
        } catch {
            throw TokenizerError(path, "is no SentencePiece model at byte \(error.offset): \(error.reason)")
        }
        try Self.check(file, path: path, configuration: configuration)
        var ids: [[UInt8]: Int32] = [:]
        for (id, piece) in file.pieces.enumerated() { ids[piece.text] = Int32(id) }
        var literal = file.pieces.enumerated().compactMap { id, piece in
            [.control, .userDefined].contains(piece.kind) && !piece.text.isEmpty
                ? AddedTokens.Token(content: piece.text, id: Int32(id)) : nil
        }
        func special(_ token: String) throws(TokenizerError) -> Int32 {
            guard let id = ids[Array(token.utf8)] else { throw TokenizerError(path, "has no piece \"\(token)\"") }
            literal.append(AddedTokens.Token(content: Array(token.utf8), id: id))
            return id
        }
        let classification = try special("[CLS]")
        let separator = try special("[SEP]")
        for token in ["[PAD]", "[UNK]"] { _ = try special(token) }
        let mask = Array("[MASK]".utf8)
        let maskID = ids[mask] ?? Int32(file.pieces.count)
        literal.append(AddedTokens.Token(content: mask, id: maskID))
        var normalizations = [Normalization.stripBlanks(left: true, right: true)]
        if !file.characterMap.isEmpty {
            guard let map = CharacterMap(file.characterMap) else {
                throw TokenizerError(path, "its \"precompiled_charsmap\" is no map of characters")
            }
            normalizations.append(.characters(map))
        }
        normalizations.append(.spaces(to: [UInt8(ascii: " ")]))
        return UnigramTokenizer(
            normalizations: normalizations,
            addsPrefixSpace: true,
            model: UnigramModel(
                pieces: file.pieces.map { ($0.text, Double($0.score)) },
                unknownID: Int32(file.unknownID)
            ),
            literalTokens: AddedTokens(literal),
            normalizedTokens: AddedTokens([]),
            postProcessor: .bert(classification: classification, separator: separator),
            texts: TokenTexts(file.pieces.enumerated().map { ($1.text, Int32($0)) } + [(mask, maskID)]),
            vocabularySize: max(file.pieces.count, Int(maskID) + 1)
        )
    }

    private static func check(
        _ file: SentencePieceFile,
        path: String,
        configuration: JSONValue?
    ) throws(TokenizerError) {
        guard file.isUnigram else { throw TokenizerError(path, "is no unigram model; other kinds are not supported") }
        guard file.pieces.indices.contains(file.unknownID) else {
            throw TokenizerError(path, "its unknown token \(file.unknownID) is none of its \(file.pieces.count) pieces")
        }
        guard file.addsDummyPrefix, file.removesExtraBlanks, file.escapesBlanks, !file.treatsBlankAsSuffix else {
            throw TokenizerError(
                path,
                "keeps extra blanks, or sets none before a text; this is not supported"
            )
        }
        for name in ["do_lower_case", "split_by_punct"] where configuration?[name]?.bool == true {
            throw TokenizerError(path, "its tokenizer_config.json sets \"\(name)\"; this is not supported")
        }
    }
}
