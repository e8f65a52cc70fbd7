// How `tokenizer.json`, and `vocab.json` with `merges.txt`, describe a byte-level tokenizer.

extension BytePairTokenizer {
    /// From `tokenizer.json`.
    static func parsing(_ file: JSONValue, path: String) throws(TokenizerError) -> BytePairTokenizer {
        guard let model = file["model"] else { throw TokenizerError(path, "has no \"model\"") }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            guard model[name]?.text?.isEmpty ?? true else {
                throw TokenizerError(path, "its model has a \"\(name)\"; this is not supported")
            }
        }
        for name in ["byte_fallback", "ignore_merges"] where model[name]?.bool == true {
            throw TokenizerError(path, "its model sets \"\(name)\"; this is not supported")
        }
        let kind = file["normalizer"]?["type"]?.text ?? "of no type"
        guard file["normalizer"] == nil else {
            throw TokenizerError(path, "its normalizer is \(kind); a byte-level tokenizer with one is not supported")
        }
        let preTokenizer = file["pre_tokenizer"]
        guard preTokenizer?["type"]?.text == "ByteLevel", preTokenizer?["use_regex"]?.bool ?? true else {
            let kind = preTokenizer.map { $0["type"]?.text ?? "of no type" } ?? "missing"
            throw TokenizerError(path, "its pre-tokenizer is \(kind); only ByteLevel with its expression is supported")
        }
        var merges: [[UInt8]] = []
        for element in model["merges"]?.elements ?? [] {
            switch element {
            case .text(let bytes): merges.append(bytes)
            case .array(let pair):
                guard pair.count == 2, case .text(let first) = pair[0], case .text(let second) = pair[1] else {
                    fallthrough
                }
                merges.append(first + [UInt8(ascii: " ")] + second)
            default: throw TokenizerError(path, "merge \(merges.count + 1) is no pair of tokens")
            }
        }
        let vocabulary = try Vocabulary(model["vocab"], path: path)
        let unknown = try model["unk_token"]?.text.map { token throws(TokenizerError) in
            try vocabulary.id(of: token)
        }
        let added = try TokenizerParts.addedTokens(file["added_tokens"], vocabulary.trie, path: path) { $0 }
        var postProcessor = file["post_processor"]
        var trimming: Trimming?
        if let postProcessor, postProcessor["trim_offsets"]?.bool ?? true,
            ["RobertaProcessing", "ByteLevel"].contains(postProcessor["type"]?.text)
        {
            trimming = vocabulary.trimming(addsPrefixSpace: postProcessor["add_prefix_space"]?.bool ?? true)
        }
        // GPT-2's sets no special tokens, it only trims.
        if postProcessor?["type"]?.text == "ByteLevel" { postProcessor = nil }
        let processor = try TokenizerParts.postProcessor(postProcessor, path: path)
        return BytePairTokenizer(
            model: try vocabulary.model(
                merges: merges,
                path: path,
                unknownID: unknown,
                fusesUnknown: model["fuse_unk"]?.bool ?? false
            ),
            literalTokens: AddedTokens(added.literal),
            normalizedTokens: AddedTokens(added.normalized),
            addsPrefixSpace: preTokenizer?["add_prefix_space"]?.bool ?? true,
            trimming: trimming,
            postProcessor: processor,
            texts: TokenTexts(vocabulary.texts + added.texts),
            vocabularySize: TokenizerParts.size(vocabulary.size, added.literal + added.normalized, processor)
        )
    }

    /// From `vocab.json` and the lines of `merges.txt`, with RoBERTa's special tokens.
    static func parsing(
        vocabulary file: JSONValue,
        path: String,
        merges lines: [UInt8],
        mergesPath: String,
        configuration: JSONValue?
    ) throws(TokenizerError) -> BytePairTokenizer {
        let vocabulary = try Vocabulary(file, path: path)
        guard String(validating: lines, as: UTF8.self) != nil else { throw TokenizerError(mergesPath, "is not UTF-8") }
        var merges = lines.split(separator: 0x0A).map { $0.last == 0x0D ? Array($0.dropLast()) : Array($0) }
        merges.removeAll { $0.isEmpty || $0.starts(with: "#version".utf8) }
        let literal = try ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map { token throws(TokenizerError) in
            AddedTokens.Token(
                content: Array(token.utf8),
                id: try vocabulary.id(of: token),
                stripsLeft: token == "<mask>"
            )
        }
        let addsPrefixSpace = configuration?["add_prefix_space"]?.bool ?? false
        let trims = configuration?["trim_offsets"]?.bool ?? true
        return BytePairTokenizer(
            model: try vocabulary.model(merges: merges, path: mergesPath, unknownID: nil, fusesUnknown: false),
            literalTokens: AddedTokens(literal),
            normalizedTokens: AddedTokens([]),
            addsPrefixSpace: addsPrefixSpace,
            trimming: trims ? vocabulary.trimming(addsPrefixSpace: addsPrefixSpace) : nil,
            postProcessor: .roberta(classification: literal[0].id, separator: literal[2].id),
            texts: TokenTexts(vocabulary.texts),
            vocabularySize: vocabulary.size
        )
    }

    private struct Vocabulary {
        let path: String
        let trie: ByteTrie
        let size: Int
        /// As bytes, but for those that are no such.
        private var tokens: [(bytes: [UInt8], id: Int32)] = []
        /// All of them, for people.
        private(set) var texts: [(bytes: [UInt8], id: Int32)]

        init(_ value: JSONValue?, path: String) throws(TokenizerError) {
            self.path = path
            (self.trie, self.size, self.texts) = try TokenizerParts.vocabulary(value, path: path)
            self.tokens.reserveCapacity(self.texts.count)
            for index in self.texts.indices {
                let name = self.texts[index].bytes
                guard let bytes = ByteLevelAlphabet.bytes(of: name) else { continue }
                if let id = self.trie.id(of: name) { self.tokens.append((bytes, id)) }
                if let shown = ByteLevelAlphabet.shown(bytes) { self.texts[index].bytes = shown }
            }
        }

        func trimming(addsPrefixSpace: Bool) -> Trimming {
            var spaces: [Int32: Spaces] = [:]
            for (bytes, id) in self.tokens {
                let leading = bytes.prefix { $0 == UInt8(ascii: " ") }.count
                let trailing = bytes.reversed().prefix { $0 == UInt8(ascii: " ") }.count
                if leading + trailing > 0 { spaces[id] = Spaces(leading: leading, trailing: trailing) }
            }
            return Trimming(addsPrefixSpace: addsPrefixSpace, spaces: spaces)
        }

        func id(of token: String) throws(TokenizerError) -> Int32 {
            if let id = self.trie.id(of: token.utf8) { return id }
            throw TokenizerError(self.path, "its vocabulary has no \"\(token)\"")
        }

        /// - Parameter merges: each two tokens with a space between.
        func model(
            merges: [[UInt8]],
            path: String,
            unknownID: Int32?,
            fusesUnknown: Bool
        ) throws(TokenizerError) -> BytePairModel {
            var ids: [(first: Int32, second: Int32, id: Int32)] = []
            ids.reserveCapacity(merges.count)
            for (index, merge) in merges.enumerated() {
                let parts = merge.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
                guard parts.count == 2, let first = self.trie.id(of: parts[0]), let second = self.trie.id(of: parts[1]),
                    let id = self.trie.id(of: parts[0] + parts[1])
                else {
                    let shown = String(decoding: merge.prefix(64), as: UTF8.self)
                    throw TokenizerError(
                        path,
                        "merge \(index + 1), \"\(shown)\", is not two tokens of the vocabulary that make a third"
                    )
                }
                ids.append((first, second, id))
            }
            return BytePairModel(
                vocabulary: self.tokens,
                merges: ids,
                unknownID: unknownID,
                fusesUnknown: fusesUnknown
            )
        }
    }
}
