/// Cuts a word greedily into the longest pieces of a vocabulary (Wu et al. 2016, arXiv:1609.08144).
///
/// A piece that does not begin its word is looked up behind `continuingPrefix` ("##"). A word that cannot be cut to its
/// end, or that has more than `maximumScalars`, is one unknown token.
struct WordPiece: Sendable {
    let vocabulary: ByteTrie
    let unknownID: Int32
    let maximumScalars: Int
    /// Where in the vocabulary the pieces that continue a word begin; nil where there are none.
    private let continuation: Int32?

    init(vocabulary: ByteTrie, unknownID: Int32, continuingPrefix: some Sequence<UInt8>, maximumScalars: Int) {
        self.vocabulary = vocabulary
        self.unknownID = unknownID
        self.maximumScalars = maximumScalars
        self.continuation = vocabulary.node(of: continuingPrefix)
    }

    /// Calls `body` with the pieces of the word that `range` is of `text`.
    @inline(__always)
    func forEachPiece(_ text: Span<UInt8>, _ range: Range<Int>, _ body: (Int32, Range<Int>) -> Void) {
        if let piece = self.vocabulary.longestMatch(text, range), piece.end == range.upperBound,
            self.isShort(text, range)
        {
            return body(piece.id, range)
        }
        guard let pieces = self.pieces(text, range) else { return body(self.unknownID, range) }
        var start = range.lowerBound
        for piece in pieces {
            body(piece.id, start..<piece.end)
            start = piece.end
        }
    }

    private func pieces(_ text: Span<UInt8>, _ range: Range<Int>) -> [(id: Int32, end: Int)]? {
        guard self.isShort(text, range) else { return nil }
        var pieces: [(id: Int32, end: Int)] = []
        var start = range.lowerBound
        var node: Int32? = ByteTrie.root
        while start < range.upperBound {
            guard let from = node,
                let piece = self.vocabulary.longestMatch(text, start..<range.upperBound, from: from)
            else { return nil }
            pieces.append(piece)
            start = piece.end
            node = self.continuation
        }
        return pieces
    }

    @inline(__always)
    private func isShort(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        range.count <= self.maximumScalars || self.scalarCount(text, range) <= self.maximumScalars
    }

    private func scalarCount(_ text: Span<UInt8>, _ range: Range<Int>) -> Int {
        var count = 0
        for offset in range where text[offset] & 0xC0 != 0x80 { count += 1 }
        return count
    }
}
