/// BERT's tokenizer: normalisation, words, pieces, special tokens (Devlin et al. 2018, arXiv:1810.04805).
///
/// Gives the ids that the fast tokenizer of Hugging Face gives for the same files, on every input.
public struct WordPieceTokenizer: PostProcessed {
    let normalizer: BertNormalizer?
    let preTokenizer: BertPreTokenizer
    let model: WordPiece
    /// Found in the text as it is, and in the normalised text.
    let literalTokens: AddedTokens
    let normalizedTokens: AddedTokens
    let postProcessor: PostProcessor
    let texts: TokenTexts
    public let vocabularySize: Int

    init(
        normalizer: BertNormalizer?,
        model: WordPiece,
        literalTokens: [AddedTokens.Token],
        normalizedTokens: [AddedTokens.Token],
        postProcessor: PostProcessor,
        texts: TokenTexts,
        vocabularySize: Int
    ) {
        self.normalizer = normalizer
        self.preTokenizer = BertPreTokenizer()
        self.model = model
        self.literalTokens = AddedTokens(literalTokens)
        self.normalizedTokens = AddedTokens(normalizedTokens)
        self.postProcessor = postProcessor
        self.texts = texts
        self.vocabularySize = vocabularySize
    }

    public func tokens(_ text: String) -> Tokens {
        let bytes = text.utf8Span.span
        var pieces = Pieces()
        for piece in self.literalTokens.split(bytes) {
            switch piece {
            case .token(let id, let range, _): pieces.append(id, range)
            case .text(let range):
                let aligned = self.normalizer?.aligned(bytes, range) ?? AlignedText(bytes, range)
                let before = pieces.ids.count
                self.appendNormalized(aligned.bytes.span) { id, range in pieces.append(id, range) }
                pieces.shift(from: before) { aligned.origin(of: $0) }
            }
        }
        return pieces.tokens(of: bytes)
    }

    /// The ids of a text, without the special tokens around it.
    func ids(_ text: String) -> [Int32] {
        var ids: [Int32] = []
        let bytes = text.utf8Span.span
        ids.reserveCapacity(bytes.count / 3)
        for piece in self.literalTokens.split(bytes) {
            switch piece {
            case .token(let id, _, _): ids.append(id)
            case .text(let range):
                let part = bytes.extracting(range)
                guard let normalizer = self.normalizer else {
                    self.appendNormalized(part) { id, _ in ids.append(id) }
                    continue
                }
                let normalized = normalizer.normalize(part)
                self.appendNormalized(normalized.span) { id, _ in ids.append(id) }
            }
        }
        return ids
    }

    @inline(__always)
    private func appendNormalized(_ text: Span<UInt8>, _ append: (Int32, Range<Int>) -> Void) {
        for piece in self.normalizedTokens.split(text) {
            switch piece {
            case .token(let id, let range, _):
                append(id, range)
            case .text(let range):
                let part = text.extracting(range)
                for word in self.preTokenizer.words(part) {
                    self.model.forEachPiece(part, word) { append($0, $1.shifted(by: range.lowerBound)) }
                }
            }
        }
    }
}
