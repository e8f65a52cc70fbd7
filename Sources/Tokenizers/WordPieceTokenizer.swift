/// BERT's tokenizer: normalisation, words, pieces, special tokens (Devlin et al. 2018, arXiv:1810.04805).
///
/// Gives the ids that the fast tokenizer of Hugging Face gives for the same files, on every input.
public struct WordPieceTokenizer: Tokenizer {
    let normalizer: BertNormalizer?
    let preTokenizer: BertPreTokenizer
    let model: WordPiece
    /// Found in the text as it is, and in the normalised text.
    let literalTokens: AddedTokens
    let normalizedTokens: AddedTokens
    let postProcessor: PostProcessor
    public let vocabularySize: Int

    /// Reads `tokenizer.json` of a folder, or, where it has none, `vocab.txt` with BERT's usual settings; in this case
    /// `do_lower_case`, `strip_accents` and `tokenize_chinese_chars` of a `tokenizer_config.json` beside it count.
    ///
    /// - Throws: ``TokenizerError`` where a file is missing or malformed, or asks for what is not supported.
    public init(folder: String) throws(TokenizerError) {
        let files = TokenizerFiles(folder: folder)
        if let path = files.existing("tokenizer.json") {
            self = try Self.parsing(try files.json(path), path: path)
        } else if let path = files.existing("vocab.txt") {
            let configuration = try files.existing("tokenizer_config.json").map { path throws(TokenizerError) in
                try files.json(path)
            }
            self = try Self.parsing(vocabulary: try files.bytes(path), path: path, configuration: configuration)
        } else {
            throw files.unsupported()
        }
    }

    init(
        normalizer: BertNormalizer?,
        model: WordPiece,
        literalTokens: [AddedTokens.Token],
        normalizedTokens: [AddedTokens.Token],
        postProcessor: PostProcessor,
        vocabularySize: Int
    ) {
        self.normalizer = normalizer
        self.preTokenizer = BertPreTokenizer()
        self.model = model
        self.literalTokens = AddedTokens(literalTokens)
        self.normalizedTokens = AddedTokens(normalizedTokens)
        self.postProcessor = postProcessor
        self.vocabularySize = vocabularySize
    }

    public func encode(_ first: String, _ second: String? = nil, maximumLength: Int) -> Encoding {
        let firstIDs = self.pieces(first)
        let secondIDs = second.map { self.pieces($0) }
        return self.postProcessor.encoding(firstIDs, secondIDs, maximumLength: maximumLength)
    }

    /// The ids of a text, without the special tokens around it.
    func pieces(_ text: String) -> [Int32] {
        var ids: [Int32] = []
        let bytes = text.utf8Span.span
        ids.reserveCapacity(bytes.count / 3)
        for piece in self.literalTokens.split(bytes) {
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let range): self.append(bytes.extracting(range), to: &ids)
            }
        }
        return ids
    }

    private func append(_ text: Span<UInt8>, to ids: inout [Int32]) {
        guard let normalizer = self.normalizer else { return self.appendNormalized(text, to: &ids) }
        let normalized = normalizer.normalize(text)
        self.appendNormalized(normalized.span, to: &ids)
    }

    private func appendNormalized(_ text: Span<UInt8>, to ids: inout [Int32]) {
        for piece in self.normalizedTokens.split(text) {
            switch piece {
            case .token(let id):
                ids.append(id)
            case .text(let range):
                let part = text.extracting(range)
                for word in self.preTokenizer.words(part) { self.model.append(part, word, to: &ids) }
            }
        }
    }
}
