/// The tokenizer of GPT-2 and RoBERTa: words, byte pairs, special tokens (Radford et al. 2019; Liu et al. 2019,
/// arXiv:1907.11692).
///
/// Gives the ids that the fast tokenizer of Hugging Face gives for the same files, on every input.
public struct BytePairTokenizer: PostProcessed {
    /// How offsets leave out the spaces that begin and end a token; nil where they keep them.
    struct Trimming: Hashable, Sendable {
        /// Whether a space was set before the text, so that the first token's offsets keep one.
        var addsPrefixSpace: Bool
        /// Of each token that has any.
        var spaces: [Int32: Spaces]
    }

    struct Spaces: Hashable, Sendable {
        var leading: Int
        var trailing: Int
    }

    let model: BytePairModel
    /// Found in the text as it is, and in what these leave of it.
    let literalTokens: AddedTokens
    let normalizedTokens: AddedTokens
    let addsPrefixSpace: Bool
    let trimming: Trimming?
    let postProcessor: PostProcessor
    let texts: TokenTexts
    public let vocabularySize: Int

    func ids(_ text: String) -> [Int32] { self.pieces(text).ids }

    public func tokens(_ text: String) -> Tokens {
        let bytes = text.utf8Span.span
        var tokens = self.pieces(text).tokens(of: bytes)
        if let trimming = self.trimming { self.trim(&tokens, trimming) }
        return tokens
    }

    private func pieces(_ text: String) -> Pieces {
        let bytes = text.utf8Span.span
        var pieces = Pieces()
        pieces.reserve(bytes.count / 3)
        var scratch = BytePairModel.Scratch()
        for literal in self.literalTokens.split(bytes) {
            switch literal {
            case .token(let id, let range, let content):
                pieces.append(id, self.trimming == nil ? range : content)
            case .text(let outer):
                for normalized in self.normalizedTokens.split(bytes.extracting(outer)) {
                    switch normalized {
                    case .token(let id, let range, let content):
                        let kept = self.trimming == nil ? range : content
                        pieces.append(id, kept.shifted(by: outer.lowerBound))
                    case .text(let range):
                        self.append(bytes, range.shifted(by: outer.lowerBound), &scratch, to: &pieces)
                    }
                }
            }
        }
        return pieces
    }

    private func append(
        _ text: Span<UInt8>,
        _ range: Range<Int>,
        _ scratch: inout BytePairModel.Scratch,
        to pieces: inout Pieces
    ) {
        let part = text.extracting(range)
        let isPrefixed = self.addsPrefixSpace && part[0] != UInt8(ascii: " ")
        guard isPrefixed else {
            let before = pieces.ids.count
            ByteLevelPreTokenizer.forEachWord(part) { self.model.append(part, $0, &scratch, to: &pieces) }
            return pieces.shift(from: before) { $0.shifted(by: range.lowerBound) }
        }
        var prefixed: [UInt8] = [UInt8(ascii: " ")]
        prefixed.reserveCapacity(range.count + 1)
        for index in part.indices { prefixed.append(part[index]) }
        let before = pieces.ids.count
        ByteLevelPreTokenizer.forEachWord(prefixed.span) {
            self.model.append(prefixed.span, $0, &scratch, to: &pieces)
        }
        // The space that was set before the text counts as its first scalar.
        pieces.shift(from: before) { piece in
            let start = range.lowerBound + max(piece.lowerBound - 1, 0)
            return start..<max(range.lowerBound + piece.upperBound - 1, start + 1)
        }
    }

    private func trim(_ tokens: inout Tokens, _ trimming: Trimming) {
        for index in tokens.offsets.indices {
            guard let spaces = trimming.spaces[tokens.ids[index]] else { continue }
            let range = tokens.offsets[index]
            let isPrefix = trimming.addsPrefixSpace && spaces.leading > 0 && (index == 0 || range.lowerBound == 0)
            let start = min(range.lowerBound + spaces.leading - (isPrefix ? 1 : 0), range.upperBound)
            let end = range.upperBound < spaces.trailing ? range.upperBound : range.upperBound - spaces.trailing
            tokens.offsets[index] = start..<max(start, end)
        }
    }
}

extension Range<Int> {
    @inline(__always)
    func shifted(by offset: Int) -> Range<Int> { self.lowerBound + offset..<self.upperBound + offset }
}
