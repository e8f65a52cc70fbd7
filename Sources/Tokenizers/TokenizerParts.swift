/// What `tokenizer.json` says in the same way for every model.
enum TokenizerParts {
    /// The ids of a vocabulary that is an object, as a trie and as they stand.
    static func vocabulary(
        _ value: JSONValue?,
        path: String
    ) throws(TokenizerError) -> (trie: ByteTrie, size: Int, tokens: [(bytes: [UInt8], id: Int32)]) {
        guard case .object(let entries)? = value else { throw TokenizerError(path, "has no vocabulary") }
        var trie = ByteTrie()
        var size = 0
        var tokens: [(bytes: [UInt8], id: Int32)] = []
        tokens.reserveCapacity(entries.count)
        for entry in entries {
            guard let id = entry.value.vocabularyID else {
                let token = String(decoding: entry.name, as: UTF8.self)
                throw TokenizerError(path, "the id of \"\(token)\" is no number from 0 to \(Int32.max - 1)")
            }
            trie.insert(entry.name, id: id)
            tokens.append((entry.name, id))
            size = max(size, Int(id) + 1)
        }
        return (trie, size, tokens)
    }

    /// One more than the largest id that a tokenizer can give.
    static func size(_ vocabulary: Int, _ added: [AddedTokens.Token], _ postProcessor: PostProcessor) -> Int {
        added.reduce(max(vocabulary, postProcessor.vocabularySize)) { max($0, Int($1.id) + 1) }
    }

    /// Tokens beside the model's, and what each is called before it is normalised.
    struct Added {
        var literal: [AddedTokens.Token] = []
        var normalized: [AddedTokens.Token] = []
        var texts: [(bytes: [UInt8], id: Int32)] = []
    }

    static func addedTokens(
        _ value: JSONValue?,
        _ vocabulary: ByteTrie,
        path: String,
        normalize: ([UInt8]) -> [UInt8]
    ) throws(TokenizerError) -> Added {
        var added = Added()
        for entry in value?.elements ?? [] {
            guard case .text(var content)? = entry["content"], let id = entry["id"]?.vocabularyID
            else { throw TokenizerError(path, "an added token has no content or no valid id") }
            let shown = String(decoding: content, as: UTF8.self)
            guard vocabulary.id(of: content).map({ $0 == id }) ?? true else {
                throw TokenizerError(path, "the added token \"\(shown)\" has the id \(id), but not in the vocabulary")
            }
            guard entry["single_word"]?.bool != true else {
                throw TokenizerError(path, "the added token \"\(shown)\" is a single_word; this is not supported")
            }
            added.texts.append((content, id))
            let isNormalized = entry["normalized"]?.bool ?? false
            if isNormalized { content = normalize(content) }
            guard !content.isEmpty else { continue }
            let token = AddedTokens.Token(
                content: content,
                id: id,
                stripsLeft: entry["lstrip"]?.bool ?? false,
                stripsRight: entry["rstrip"]?.bool ?? false
            )
            if isNormalized { added.normalized.append(token) } else { added.literal.append(token) }
        }
        return added
    }

    static func postProcessor(_ value: JSONValue?, path: String) throws(TokenizerError) -> PostProcessor {
        guard let value else { return .none }
        switch value["type"]?.text ?? "of no type" {
        case "BertProcessing", "RobertaProcessing":
            func id(_ name: String) throws(TokenizerError) -> Int32 {
                if let pair = value[name]?.elements, pair.count == 2, let id = pair[1].vocabularyID {
                    return id
                }
                throw TokenizerError(path, "its post-processor has no \"\(name)\"")
            }
            if value["type"]?.text == "RobertaProcessing" {
                return .roberta(classification: try id("cls"), separator: try id("sep"))
            }
            return .bert(classification: try id("cls"), separator: try id("sep"))
        case "TemplateProcessing":
            return PostProcessor(
                single: try Self.template("single", value, path: path),
                pair: try Self.template("pair", value, path: path)
            )
        case let kind:
            let supported = "TemplateProcessing, BertProcessing and RobertaProcessing"
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
                let ids = processor["special_tokens"]?[id]?["ids"]?.elements?.map(\.vocabularyID)
                let known = ids?.compactMap(\.self) ?? []
                guard !known.isEmpty, known.count == ids?.count else {
                    throw TokenizerError(path, "its template \"\(name)\" names \"\(id)\", which is no special token")
                }
                pieces.append(.special(ids: known, typeID: typeID))
            } else {
                pieces.append(id == "A" ? .first(typeID: typeID) : .second(typeID: typeID))
            }
        }
        guard !pieces.isEmpty else { throw TokenizerError(path, "its post-processor has no template \"\(name)\"") }
        return pieces
    }
}

extension JSONValue {
    /// A number from 0 to 2³¹ - 2.
    fileprivate var vocabularyID: Int32? {
        guard let id = self.integer, id >= 0, id < Int32.max else { return nil }
        return Int32(id)
    }
}
