/// The tokenizer of DeBERTa-v3 and other backbones that were trained with SentencePiece's unigram model: normalisation,
/// words that begin with "▁" where blanks were, pieces, special tokens (Kudo and Richardson 2018, arXiv:1808.06226).
///
/// Gives the ids that the fast tokenizer of Hugging Face gives for the same files, on every input.
public struct UnigramTokenizer: PostProcessed {
    enum Normalization: Sendable {
        case stripBlanks(left: Bool, right: Bool)
        case characters(CharacterMap)
        /// Two spaces or more become this.
        case spaces(to: [UInt8])
    }

    let normalizations: [Normalization]
    let addsPrefixSpace: Bool
    let model: UnigramModel
    /// Found in the text as it is, and in the normalised text.
    let literalTokens: AddedTokens
    let normalizedTokens: AddedTokens
    let postProcessor: PostProcessor
    let texts: TokenTexts
    public let vocabularySize: Int

    /// What stands for a space.
    private static let meta = Array("▁".utf8)

    func ids(_ text: String) -> [Int32] { self.pieces(text).ids }

    public func tokens(_ text: String) -> Tokens { self.pieces(text).tokens(of: text.utf8Span.span) }

    private func pieces(_ text: String) -> Pieces {
        let bytes = text.utf8Span.span
        var pieces = Pieces()
        pieces.reserve(bytes.count / 3)
        var scratch = UnigramModel.Scratch()
        for literal in self.literalTokens.split(bytes) {
            switch literal {
            case .token(let id, let range, _): pieces.append(id, range)
            case .text(let outer):
                let normalized = Self.normalize(AlignedText(bytes, outer), self.normalizations)
                for piece in self.normalizedTokens.split(normalized.bytes.span) {
                    switch piece {
                    case .token(let id, let range, _): pieces.append(id, normalized.origin(of: range))
                    case .text(let range): self.append(normalized, range, &scratch, to: &pieces)
                    }
                }
            }
        }
        return pieces
    }

    static func normalize(_ text: AlignedText, _ normalizations: [Normalization]) -> AlignedText {
        var text = text
        for normalization in normalizations {
            switch normalization {
            case .stripBlanks(let left, let right): Self.stripBlanks(&text, left: left, right: right)
            case .characters(let map): text = map.normalize(text)
            case .spaces(let replacement): text = Self.collapseSpaces(text, to: replacement)
            }
        }
        return text
    }

    private static func stripBlanks(_ text: inout AlignedText, left: Bool, right: Bool) {
        let scalars = String(decoding: text.bytes, as: UTF8.self).unicodeScalars
        let isBlank = { (scalar: Unicode.Scalar) in
            UnicodeTables.shared.properties(of: scalar.value).contains(.space)
        }
        var start = 0
        if left { start = scalars.prefix(while: isBlank).reduce(0) { $0 + UTF8.width($1) } }
        var end = text.bytes.count
        if right { end -= scalars.reversed().prefix(while: isBlank).reduce(0) { $0 + UTF8.width($1) } }
        if start > 0 || end < text.bytes.count { text.keep(min(start, end)..<end) }
    }

    private static func collapseSpaces(_ text: AlignedText, to replacement: [UInt8]) -> AlignedText {
        let space = UInt8(ascii: " ")
        var result = AlignedText()
        result.reserve(text.bytes.count)
        var offset = 0
        while offset < text.bytes.count {
            var end = offset + 1
            if text.bytes[offset] == space { while end < text.bytes.count, text.bytes[end] == space { end += 1 } }
            if end > offset + 1 {
                result.append(replacement, from: text.origins[end - 1])
            } else {
                result.append(text.bytes[offset], from: text.origins[offset])
            }
            offset = end
        }
        return result
    }

    /// Appends the pieces of a part of normalised text: each "▁", and each space, begins a word.
    private func append(
        _ text: AlignedText,
        _ range: Range<Int>,
        _ scratch: inout UnigramModel.Scratch,
        to pieces: inout Pieces
    ) {
        let meta = Self.meta
        var words = AlignedText()
        words.reserve(range.count + range.count / 2)
        let startsWithSpace = text.bytes[range.lowerBound] == 0x20 || text.bytes[range].starts(with: meta)
        if self.addsPrefixSpace, !startsWithSpace { words.append(meta, from: text.origins[range.lowerBound]) }
        for index in range {
            if text.bytes[index] == 0x20 {
                words.append(meta, from: text.origins[index])
            } else {
                words.append(text.bytes[index], from: text.origins[index])
            }
        }
        let before = pieces.ids.count
        let bytes = words.bytes.span
        var start = 0
        for offset in 1..<max(bytes.count, 1)
        where bytes[offset] == meta[0] && offset + 2 < bytes.count && bytes[offset + 1] == meta[1]
            && bytes[offset + 2] == meta[2]
        {
            self.model.append(bytes, start..<offset, &scratch, to: &pieces)
            start = offset
        }
        self.model.append(bytes, start..<bytes.count, &scratch, to: &pieces)
        pieces.shift(from: before) { words.origin(of: $0) }
    }
}
