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
            let x = logits[row]
            let largest = Double(x.max() ?? 0)
            let exponentials = x.map { exp(Double($0) - largest) }
            let total = exponentials.reduce(0, +)
            sum += log(total) - (Double(x[label]) - largest)
            guard let dRow = dLogits?[row] else { continue }
            for i in dRow.indices {
                dRow[i] = Float((exponentials[i] / total - (i == label ? 1 : 0)) / Double(examples))
            }
        }
        return sum
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
