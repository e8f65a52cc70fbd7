public import Tensors

/// Multi-head scaled dot-product attention within each sequence (Vaswani et al. 2017, arXiv:1706.03762).
///
///     P = softmax(Q Kᵀ / sqrt(n · d))        context = dropout(P) V        for each sequence and head
///
/// where n is 1, or the number of terms that a score is the sum of (``RelativeTerms``).
///
/// Shapes: `key` and `value` are `[tokens, heads · d]`, packed. `query` and `context` have the same rows, or one row
/// a sequence where only its first token is asked for. `P` is `[queries, length]`.
public struct SelfAttention: Sendable {
    public let heads: Int
    /// Of the probabilities, in training.
    public let dropoutRate: Float
    /// The number of the dropout site of head 0; the other heads' follow.
    public let site: Int
    /// Summands of a score.
    public let terms: Int

    public init(heads: Int, dropoutRate: Float, site: Int, terms: Int = 1) {
        self.heads = heads
        self.dropoutRate = dropoutRate
        self.site = site
        self.terms = terms
    }

    /// What the backward pass needs. A dropped probability is kept with its sign set: the mask costs no memory.
    public struct Saved {
        let query: MatrixView
        let key: MatrixView
        let value: MatrixView
        /// One row: all sequences' and heads' `P`, one after the other.
        let probabilities: MutableMatrixView
        /// For each sequence where its first head's `P` starts.
        let offsets: [Int]
        let relative: RelativeTerms?

        func probabilities(_ item: Item) -> MutableMatrixView {
            let size = item.queries.count * item.tokens.count
            return MutableMatrixView(
                self.probabilities.base + self.offsets[item.sequence] + item.head * size,
                rows: item.queries.count,
                columns: item.tokens.count
            )
        }
    }

    /// One head of one sequence.
    struct Item {
        let sequence: Int
        let head: Int
        /// The rows of `query`.
        let queries: Range<Int>
        /// The rows of `key` and `value`.
        let tokens: Range<Int>
        let columns: Range<Int>

        func query(_ view: MatrixView) -> MatrixView { view.rows(self.queries).columns(self.columns) }
        func query(_ view: MutableMatrixView) -> MutableMatrixView { view.rows(self.queries).columns(self.columns) }
        func token(_ view: MatrixView) -> MatrixView { view.rows(self.tokens).columns(self.columns) }
        func token(_ view: MutableMatrixView) -> MutableMatrixView { view.rows(self.tokens).columns(self.columns) }
    }

    private func item(_ index: Int, batch: PackedBatch, isWhole: Bool, width: Int) -> Item {
        let (sequence, head, columns) = (index / self.heads, index % self.heads, width / self.heads)
        return Item(
            sequence: sequence,
            head: head,
            queries: isWhole ? batch.range(of: sequence) : sequence..<sequence + 1,
            tokens: batch.range(of: sequence),
            columns: head * columns..<(head + 1) * columns
        )
    }

    /// The most numbers that one item's `P` can have.
    private func largest(_ batch: PackedBatch, isWhole: Bool) -> Int {
        (0..<batch.sequences).map { batch.range(of: $0).count }.map { isWhole ? $0 * $0 : $0 }.max() ?? 0
    }

    /// The most scratch memory that one item's relative terms need.
    private func largest(_ batch: PackedBatch, isWhole: Bool, relative: RelativeTerms?) -> Int {
        guard let relative else { return 0 }
        return (0..<batch.sequences).map { batch.range(of: $0).count }
            .map { relative.scratchCount(queries: isWhole ? $0 : 1, tokens: $0) }.max() ?? 0
    }

    private func scale(width: Int) -> Float { 1 / Float(width / self.heads * self.terms).squareRoot() }

    public func forward(
        query: MatrixView,
        key: MatrixView,
        value: MatrixView,
        relative: RelativeTerms? = nil,
        batch: PackedBatch,
        into context: MutableMatrixView,
        pass: Pass
    ) -> Saved {
        let isWhole = query.rows == key.rows
        var (offsets, total) = ([Int](), 0)
        for sequence in 0..<batch.sequences {
            let length = batch.range(of: sequence).count
            offsets.append(total)
            total += self.heads * length * (isWhole ? length : 1)
        }
        let saved = Saved(
            query: query,
            key: key,
            value: value,
            probabilities: pass.arena.matrix(rows: 1, columns: total),
            offsets: offsets,
            relative: relative
        )
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        let dropout = self.dropoutRate > 0 ? pass.dropout : nil
        let scratch = pass.arena.matrix(
            rows: pass.team.threads,
            columns: dropout == nil ? 0 : self.largest(batch, isWhole: isWhole)
        )
        let relativeScratch = pass.arena.matrix(
            rows: pass.team.threads,
            columns: self.largest(batch, isWhole: isWhole, relative: relative)
        )
        let scale = self.scale(width: query.columns)
        pass.team.forEach(batch.sequences * self.heads) { thread, index in
            let item = self.item(index, batch: batch, isWhole: isWhole, width: query.columns)
            let probabilities = saved.probabilities(item)
            multiply(item.query(query), item.token(key), transposing: .second, scale: scale, into: probabilities)
            relative?.forward(
                item.query(query),
                item.token(key),
                head: item.columns,
                scale: scale,
                scratch: relativeScratch.base + thread * relativeScratch.columns,
                addingTo: probabilities
            )
            for row in 0..<probabilities.rows { softmax(probabilities[row]) }
            var weights = probabilities.view
            if let dropout {
                let dropped = MutableMatrixView(
                    scratch[thread].baseAddress!,
                    rows: weights.rows,
                    columns: weights.columns
                )
                let stream = dropout.stream(site: self.site + item.head)
                self.drop(probabilities, into: dropped, place: batch.places[item.sequence], stream: stream)
                weights = dropped.view
            }
            multiply(weights, item.token(value), into: item.query(context))
        }
        return saved
    }

    /// Writes the gradients of query, key and value, and adds to those of the relative terms' projections.
    ///
    /// The softmax's own gradient: `dS = P * (dP - Σ_columns dP * P)`, row by row.
    public func backward(
        _ dContext: MatrixView,
        saved: Saved,
        batch: PackedBatch,
        dQuery: MutableMatrixView,
        dKey: MutableMatrixView,
        dValue: MutableMatrixView,
        relativeGradients: RelativeTerms.Gradients? = nil,
        pass: Pass
    ) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        let isWhole = saved.query.rows == saved.key.rows
        let scratch = pass.arena.matrix(rows: 2 * pass.team.threads, columns: self.largest(batch, isWhole: isWhole))
        let relativeScratch = pass.arena.matrix(
            rows: pass.team.threads,
            columns: self.largest(batch, isWhole: isWhole, relative: saved.relative)
        )
        let scale = self.scale(width: dContext.columns)
        let kept = pass.dropout == nil ? 1 : 1 / (1 - self.dropoutRate)
        self.forEachItem(batch, isShared: relativeGradients != nil, team: pass.team) { thread, index in
            let item = self.item(index, batch: batch, isWhole: isWhole, width: dContext.columns)
            let probabilities = saved.probabilities(item)
            func square(_ index: Int) -> MutableMatrixView {
                MutableMatrixView(
                    scratch[2 * thread + index].baseAddress!,
                    rows: probabilities.rows,
                    columns: probabilities.columns
                )
            }
            let (weights, dScores) = (square(0), square(1))
            for row in 0..<weights.rows { keep(probabilities[row], scale: kept, into: weights[row]) }
            multiply(weights.view, item.query(dContext), transposing: .first, into: item.token(dValue))
            multiply(item.query(dContext), item.token(saved.value), transposing: .second, into: dScores)
            for row in 0..<weights.rows { softmaxBackward(probabilities[row], weights: weights[row], dScores[row]) }
            multiply(dScores.view, item.token(saved.key), scale: scale, into: item.query(dQuery))
            multiply(dScores.view, item.query(saved.query), transposing: .first, scale: scale, into: item.token(dKey))
            saved.relative?.backward(
                dScores.view,
                item.query(saved.query),
                item.token(saved.key),
                head: item.columns,
                scale: scale,
                scratch: relativeScratch.base + thread * relativeScratch.columns,
                dQuery: item.query(dQuery),
                dKey: item.token(dKey),
                gradients: relativeGradients
            )
        }
    }

    /// Calls `body` for every item; where sequences share a gradient, one thread takes a head's sequences in order.
    private func forEachItem(
        _ batch: PackedBatch,
        isShared: Bool,
        team: Team,
        _ body: (_ thread: Int, _ index: Int) -> Void
    ) {
        guard isShared else { return team.forEach(batch.sequences * self.heads, body) }
        team.forEach(self.heads) { thread, head in
            for sequence in 0..<batch.sequences { body(thread, sequence * self.heads + head) }
        }
    }

    /// Draws what is dropped: writes the weights and marks the dropped probabilities.
    private func drop(
        _ probabilities: MutableMatrixView,
        into weights: MutableMatrixView,
        place: Int,
        stream: RandomStream
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: (probabilities.columns + 3) / 4 * 4) { factors in
            for row in 0..<probabilities.rows {
                stream.dropoutFactors(row: Dropout.row(place: place, token: row), rate: self.dropoutRate, into: factors)
                let (p, w) = (probabilities[row], weights[row])
                for i in p.indices {
                    w[i] = p[i] * factors[i]
                    p[i] = factors[i] == 0 ? -p[i] : p[i]
                }
            }
        }
    }
}

/// `x` becomes `softmax(x)`.
@inline(never)
func softmax(_ x: UnsafeMutableBufferPointer<Float>) {
    Elementwise.exponential(x, minus: Sums.maximum(UnsafeBufferPointer(x)))
    Elementwise.scale(x, by: 1 / Sums.sum(UnsafeBufferPointer(x)))
}

/// The weights that probabilities, some marked as dropped by their sign, were used as.
@inline(never)
private func keep(_ p: UnsafeMutableBufferPointer<Float>, scale: Float, into w: UnsafeMutableBufferPointer<Float>) {
    for i in p.indices { w[i] = p[i].bitPattern >> 31 == 0 ? p[i] * scale : 0 }
}

/// `d` comes as the gradient of the weights and becomes the gradient of the scores.
///
/// Σ dP · P needs no mask: what was dropped has weight 0, so it is Σ d · weight.
@inline(never)
private func softmaxBackward(
    _ p: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>,
    _ d: UnsafeMutableBufferPointer<Float>
) {
    let sum = Sums.dot(UnsafeBufferPointer(d), UnsafeBufferPointer(weights))
    for i in d.indices { d[i] = weights[i] * d[i] - abs(p[i]) * sum }
}
