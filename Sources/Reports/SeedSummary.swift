/// What several seeds of one cell say together.
///
///     mean = Σ x / n        std = √(Σ (x − mean)² / (n − 1))
///
/// The divisor is n − 1 (ddof 1): the seeds are a sample of all seeds. One seed has no deviation.
public struct SeedSummary: Hashable, Sendable {
    public let count: Int
    public let mean: Double
    /// `nil` where there is one value only.
    public let standardDeviation: Double?

    /// - Parameter values: finite numbers; they are summed in the order given. No values give `nil`.
    public init?(_ values: [Double]) {
        guard !values.isEmpty else { return nil }
        let mean = values.reduce(0, +) / Double(values.count)
        self.count = values.count
        self.mean = mean
        if values.count > 1 {
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            self.standardDeviation = (squares / Double(values.count - 1)).squareRoot()
        } else {
            self.standardDeviation = nil
        }
    }
}
