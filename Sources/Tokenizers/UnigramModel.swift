/// Cuts a word into the pieces of which the sum of scores, logarithms of probabilities, is largest (Kudo 2018,
/// arXiv:1804.10959).
///
/// A scalar that is no piece of its own may be unknown, which scores ``unknownPenalty`` less than the worst piece;
/// unknown scalars in a row are one token.
struct UnigramModel: Sendable {
    private static let unknownPenalty = 10.0

    /// What the search works on, so that a text allocates once.
    struct Scratch {
        fileprivate var bestEndingAt: [Best] = []
    }

    fileprivate struct Best {
        var score = 0.0
        /// Where its last piece begins; -1 where none ends here.
        var start: Int32 = -1
        var id: Int32 = 0
    }

    private let trie: ByteTrie
    private let scores: [Double]
    private let unknownID: Int32
    private let unknownScore: Double

    /// - Parameter pieces: by id; scores are finite.
    init(pieces: [(bytes: [UInt8], score: Double)], unknownID: Int32) {
        precondition(pieces.indices.contains(Int(unknownID)), "unknown \(unknownID) of \(pieces.count)")
        var trie = ByteTrie()
        for (id, piece) in pieces.enumerated() where !piece.bytes.isEmpty { trie.insert(piece.bytes, id: Int32(id)) }
        self.trie = trie
        self.scores = pieces.map(\.score)
        self.unknownID = unknownID
        self.unknownScore = (self.scores.min() ?? 0) - Self.unknownPenalty
    }

    /// Appends the pieces of the word that `range` is of `text`.
    func append(_ text: Span<UInt8>, _ range: Range<Int>, _ scratch: inout Scratch, to pieces: inout Pieces) {
        let base = range.lowerBound
        scratch.bestEndingAt.removeAll(keepingCapacity: true)
        scratch.bestEndingAt.append(contentsOf: repeatElement(Best(), count: range.count + 1))
        var best = scratch.bestEndingAt.mutableSpan
        var start = base
        while start < range.upperBound {
            let scalarEnd = scalarEnd(text, at: start)
            let score = best[start - base].score
            let link = Int32(start - base)
            var isPiece = false
            self.trie.forEachMatch(text, start..<range.upperBound) { id, end in
                isPiece = isPiece || end == scalarEnd
                let candidate = self.scores[Int(id)] + score
                if best[end - base].start < 0 || candidate > best[end - base].score {
                    best[end - base] = Best(score: candidate, start: link, id: id)
                }
            }
            if !isPiece {
                let candidate = self.unknownScore + score
                if best[scalarEnd - base].start < 0 || candidate > best[scalarEnd - base].score {
                    best[scalarEnd - base] = Best(score: candidate, start: link, id: self.unknownID)
                }
            }
            start = scalarEnd
        }
        self.trace(best.span, range, into: &pieces)
    }

    private func trace(_ best: Span<Best>, _ range: Range<Int>, into pieces: inout Pieces) {
        let before = pieces.ids.count
        var end = range.count
        while end > 0 {
            let piece = best[end]
            var start = Int(piece.start)
            if piece.id == self.unknownID {
                while start > 0, best[start].id == self.unknownID { start = Int(best[start].start) }
            }
            pieces.append(piece.id, range.lowerBound + start..<range.lowerBound + end)
            end = start
        }
        pieces.reverse(from: before)
    }
}
