/// Tokens that are found in the text before any other step, wherever they occur literally: special tokens and those
/// that were added to a vocabulary later.
///
/// From left to right, the longest token at the first place wins.
struct AddedTokens: Sendable {
    struct Token: Hashable, Sendable {
        var content: [UInt8]
        var id: Int32
        /// Whether blanks before and after belong to the token.
        var stripsLeft = false
        var stripsRight = false
    }

    enum Piece: Hashable, Sendable {
        /// Where it stands with its blanks, and without.
        case token(Int32, Range<Int>, content: Range<Int>)
        case text(Range<Int>)
    }

    private let tokens: [Token]
    private var trie = ByteTrie()
    private var isFirstByte = [Bool](repeating: false, count: 256)

    init(_ tokens: [Token]) {
        self.tokens = tokens
        for (index, token) in tokens.enumerated() {
            precondition(!token.content.isEmpty, "an added token without content")
            self.trie.insert(token.content, id: Int32(index))
            self.isFirstByte[Int(token.content[0])] = true
        }
    }

    /// Cuts `text` (well-formed UTF-8) at the tokens in it.
    func split(_ text: Span<UInt8>) -> [Piece] {
        guard !self.tokens.isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
        var pieces: [Piece] = []
        var done = 0
        var offset = 0
        while offset < text.count {
            guard self.isFirstByte[Int(text[offset])],
                let match = self.trie.longestMatch(text, offset..<text.count)
            else {
                offset += 1
                continue
            }
            let token = self.tokens[Int(match.id)]
            let start = token.stripsLeft ? max(self.blanksStart(text, before: offset), done) : offset
            let end = token.stripsRight ? self.blanksEnd(text, after: match.end) : match.end
            if done < start { pieces.append(.text(done..<start)) }
            pieces.append(.token(token.id, start..<end, content: offset..<match.end))
            done = end
            offset = match.end
        }
        if done < text.count { pieces.append(.text(done..<text.count)) }
        return pieces
    }

    private func blanksEnd(_ text: Span<UInt8>, after end: Int) -> Int {
        var end = end
        while end < text.count {
            let (scalar, next) = decodeScalar(text, at: end)
            guard UnicodeTables.shared.properties(of: scalar).contains(.space) else { break }
            end = next
        }
        return end
    }

    private func blanksStart(_ text: Span<UInt8>, before start: Int) -> Int {
        var start = start
        while start > 0 {
            var previous = start - 1
            while text[previous] & 0xC0 == 0x80 { previous -= 1 }
            let scalar = decodeScalar(text, at: previous).scalar
            guard UnicodeTables.shared.properties(of: scalar).contains(.space) else { break }
            start = previous
        }
        return start
    }
}
