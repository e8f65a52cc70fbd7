public import Tensors

/// What disentangled attention adds to the scores of a block (He et al. 2020, arXiv:2006.03654): a query's content with
/// the key's relative position, and a key's content with the query's.
///
///     S[i, j] += scale * (Q[i] · key[row(i - j)] + K[j] · query[row(i - j)])
///
/// Shapes: `key` and `query` are `[rows of the longest sequence, heads · d]`, projections of the table of positions. A
/// sequence multiplies with the rows that its own length has, and no others.
public struct RelativeTerms: Sendable {
    /// Content to position; `nil`: without.
    let key: MatrixView?
    /// Position to content; `nil`: without.
    let query: MatrixView?
    /// For each distance from `1 - longest` to `longest - 1`, turned around, its row in `key` and `query`.
    private let slots: [Int]
    private let longest: Int

    /// - Parameter longest: length of the batch's longest sequence.
    public init(_ positions: RelativePositions, longest: Int, key: MatrixView?, query: MatrixView?) {
        let rows = positions.rows(length: longest)
        precondition(
            key.map { $0.rows == rows.count } ?? true && query.map { $0.rows == rows.count } ?? true,
            "sequences of \(longest) tokens have \(rows.count) relative positions"
        )
        self.key = key
        self.query = query
        self.longest = longest
        self.slots = (1 - longest..<longest).map { positions.row(-$0) - rows.lowerBound }
    }

    /// Floats of scratch memory that one head of a sequence needs.
    func scratchCount(queries: Int, tokens: Int) -> Int {
        max(queries, tokens) * self.window(queries: queries, tokens: tokens).count
    }

    /// The rows that the first so many tokens as queries have to do with.
    private func window(queries: Int, tokens: Int) -> Range<Int> {
        self.slots[self.longest - 1 + tokens - 1]..<self.slots[self.longest - 1 - (queries - 1)] + 1
    }

    /// For query `i`, the row of each key.
    private func slots(_ i: Int, tokens: Int) -> ArraySlice<Int> {
        self.slots[self.longest - 1 - i..<self.longest - 1 - i + tokens]
    }

    /// Adds to the scores of one head of a sequence, `q` being its first tokens and `k` all of them.
    func forward(
        _ q: MatrixView,
        _ k: MatrixView,
        head columns: Range<Int>,
        scale: Float,
        scratch: UnsafeMutablePointer<Float>,
        addingTo scores: MutableMatrixView
    ) {
        let window = self.window(queries: q.rows, tokens: k.rows)
        if let key = self.key?.rows(window).columns(columns) {
            let products = MutableMatrixView(scratch, rows: q.rows, columns: window.count)
            multiply(q, key, transposing: .second, scale: scale, into: products)
            for i in 0..<q.rows {
                let (row, scores) = (products[i], scores[i])
                for (j, slot) in self.slots(i, tokens: k.rows).enumerated() {
                    scores[j] += row[slot - window.lowerBound]
                }
            }
        }
        if let query = self.query?.rows(window).columns(columns) {
            let products = MutableMatrixView(scratch, rows: k.rows, columns: window.count)
            multiply(k, query, transposing: .second, scale: scale, into: products)
            for i in 0..<q.rows {
                var (place, scores) = (products.base - window.lowerBound, scores[i])
                for (j, slot) in self.slots(i, tokens: k.rows).enumerated() {
                    scores[j] += place[slot]
                    place += products.stride
                }
            }
        }
    }

    /// Adds to the gradients of queries and keys and, where asked for, to those of the two projections.
    func backward(
        _ dScores: MatrixView,
        _ q: MatrixView,
        _ k: MatrixView,
        head columns: Range<Int>,
        scale: Float,
        scratch: UnsafeMutablePointer<Float>,
        dQuery: MutableMatrixView,
        dKey: MutableMatrixView,
        gradients: Gradients?
    ) {
        let window = self.window(queries: q.rows, tokens: k.rows)
        if let key = self.key?.rows(window).columns(columns) {
            let dProducts = MutableMatrixView(scratch, rows: q.rows, columns: window.count)
            dProducts.fill(0)
            for i in 0..<q.rows {
                let (row, dScores) = (dProducts[i], dScores[i])
                for (j, slot) in self.slots(i, tokens: k.rows).enumerated() {
                    row[slot - window.lowerBound] += dScores[j]
                }
            }
            multiply(dProducts.view, key, scale: scale, adding: true, into: dQuery)
            if let sum = gradients?.key.rows(window).columns(columns) {
                multiply(dProducts.view, q, transposing: .first, scale: scale, adding: true, into: sum)
            }
        }
        if let query = self.query?.rows(window).columns(columns) {
            let dProducts = MutableMatrixView(scratch, rows: k.rows, columns: window.count)
            dProducts.fill(0)
            for i in 0..<q.rows {
                var (place, dScores) = (dProducts.base - window.lowerBound, dScores[i])
                for (j, slot) in self.slots(i, tokens: k.rows).enumerated() {
                    place[slot] += dScores[j]
                    place += dProducts.stride
                }
            }
            multiply(dProducts.view, query, scale: scale, adding: true, into: dKey)
            if let sum = gradients?.query.rows(window).columns(columns) {
                multiply(dProducts.view, k, transposing: .first, scale: scale, adding: true, into: sum)
            }
        }
    }

    /// The gradients of the two projections, which all sequences of a batch add to.
    public struct Gradients: Sendable {
        public let key: MutableMatrixView
        public let query: MutableMatrixView

        /// Zeros.
        public init(rows: Int, columns: Int, arena: Arena) {
            self.key = arena.zeros(rows: rows, columns: columns)
            self.query = arena.zeros(rows: rows, columns: columns)
        }
    }
}
