public import Tensors

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Losses of a batch, each with its gradient: the mean over the step's examples, of which a batch may be a part.
public enum Loss {
    /// Cross-entropy of classes: `-log softmax(logits)[label]`.
    ///
    /// - Parameters:
    ///   - logits: `[sequences, classes]`
    ///   - labels: `[sequences]`, each a class.
    ///   - examples: over how many the step's mean is taken.
    ///   - dLogits: is written with the gradient of the step's mean loss, where asked for.
    /// - Returns: the sum of the batch's losses.
    public static func crossEntropy(_ logits: MatrixView, labels: [Int], examples: Int, dLogits: MutableMatrixView?)
        -> Double
    {
        precondition(labels.count == logits.rows && (dLogits.map { $0.rows == logits.rows } ?? true))
        var sum = 0.0
        for (row, label) in labels.enumerated() {
            let (loss, gradient) = self.negativeLogLikelihood(Array(logits[row]), of: [label])
            sum += loss
            guard let dRow = dLogits?[row] else { continue }
            for i in dRow.indices { dRow[i] = Float(gradient[i] / Double(examples)) }
        }
        return sum
    }

    /// Cross-entropy of choices among candidates, of which several may be right: `-log Σ_right softmax(logits)`.
    /// With one right candidate it is that of HF's `…ForMultipleChoice`. An example without one counts 0.
    ///
    /// - Parameters:
    ///   - logits: `[candidates, 1]`, one example's after another's.
    ///   - sizes: `[examples]`: how many candidates each has.
    ///   - right: `[examples]`: which of its own are right.
    public static func choice(
        _ logits: MatrixView,
        sizes: [Int],
        right: [[Int]],
        examples: Int,
        dLogits: MutableMatrixView?
    ) -> Double {
        precondition(right.count == sizes.count && sizes.reduce(0, +) == logits.rows && logits.columns == 1)
        var (sum, start) = (0.0, 0)
        for (size, right) in zip(sizes, right) {
            let rows = start..<start + size
            let (loss, gradient) = self.negativeLogLikelihood(rows.map { logits[$0][0] }, of: right)
            sum += loss
            if let dLogits {
                for (row, gradient) in zip(rows, gradient) { dLogits[row][0] = Float(gradient / Double(examples)) }
            }
            start = rows.upperBound
        }
        return sum
    }

    /// Cross-entropy of an answer's first and of its last token, among all tokens of a sequence; their mean, as in HF's
    /// `…ForQuestionAnswering`.
    ///
    /// - Parameters:
    ///   - logits: `[tokens, 2]`, one sequence's after another's.
    ///   - offsets: `[sequences + 1]`, as ``PackedBatch/offsets``.
    ///   - spans: `[sequences]`: the answers' tokens, counted from the sequence's start.
    public static func span(
        _ logits: MatrixView,
        offsets: [Int],
        spans: [ClosedRange<Int>],
        examples: Int,
        dLogits: MutableMatrixView?
    ) -> Double {
        precondition(spans.count == offsets.count - 1 && offsets.last == logits.rows && logits.columns == 2)
        var sum = 0.0
        for (sequence, span) in spans.enumerated() {
            let rows = offsets[sequence]..<offsets[sequence + 1]
            for (column, token) in [span.lowerBound, span.upperBound].enumerated() {
                let (loss, gradient) = self.negativeLogLikelihood(rows.map { logits[$0][column] }, of: [token])
                sum += loss / 2
                guard let dLogits else { continue }
                for (row, gradient) in zip(rows, gradient) {
                    dLogits[row][column] = Float(gradient / 2 / Double(examples))
                }
            }
        }
        return sum
    }

    /// `-log Σ_right softmax(x)` and its gradient, `softmax(x) - softmax(x of the right ones)`; 0 where none is right.
    private static func negativeLogLikelihood(_ x: [Float], of right: [Int]) -> (loss: Double, gradient: [Double]) {
        guard let largest = x.max().map(Double.init), !right.isEmpty else {
            return (0, [Double](repeating: 0, count: x.count))
        }
        let exponentials = x.map { exp(Double($0) - largest) }
        let total = exponentials.reduce(0, +)
        // Among themselves, so that right ones far below the largest do not vanish.
        let largestRight = right.map { Double(x[$0]) }.max() ?? largest
        let rightExponentials = right.map { exp(Double(x[$0]) - largestRight) }
        let rightTotal = rightExponentials.reduce(0, +)
        var gradient = exponentials.map { $0 / total }
        for (index, exponential) in zip(right, rightExponentials) { gradient[index] -= exponential / rightTotal }
        return (log(total) - (largestRight - largest) - log(rightTotal), gradient)
    }

    /// Squared error of scores: `(prediction - label)²`; shapes as for classes, with one column.
    public static func squaredError(
        _ predictions: MatrixView,
        labels: [Float],
        examples: Int,
        dPredictions: MutableMatrixView?
    )
        -> Double
    {
        precondition(labels.count == predictions.rows && predictions.columns == 1)
        var sum = 0.0
        for (row, label) in labels.enumerated() {
            let difference = Double(predictions[row][0]) - Double(label)
            sum += difference * difference
            if let dPredictions { dPredictions[row][0] = Float(2 * difference / Double(examples)) }
        }
        return sum
    }
}
