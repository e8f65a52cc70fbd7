#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Which vector stands for the distance of a query's token from a key's (He et al. 2020, arXiv:2006.03654): near
/// distances have one each, far ones share them in logarithmic buckets (DeBERTa-v2).
///
///     row(d) = clamp(bucket(d) + span, 0, 2 span - 1)        for d = query - key
///
/// `row` never falls as `d` grows, so that a sequence of length L uses the rows from `row(1 - L)` to `row(L - 1)` only.
public struct RelativePositions: Hashable, Sendable {
    /// Half the number of rows of the table.
    public let span: Int
    /// Distances below half of it have rows of their own; 0: all have.
    public let buckets: Int
    /// Where the buckets end.
    public let maximum: Int

    /// - Precondition: with buckets, `maximum - 1` is larger than `buckets / 2`, or no distance is.
    public init(buckets: Int, maximum: Int) {
        self.buckets = buckets
        self.maximum = maximum
        self.span = buckets > 0 ? buckets : maximum
    }

    /// The row of a distance.
    public func row(_ distance: Int) -> Int { min(max(self.bucket(distance) + self.span, 0), 2 * self.span - 1) }

    /// The rows that sequences of this length use.
    public func rows(length: Int) -> Range<Int> { self.row(1 - length)..<self.row(length - 1) + 1 }

    /// In single precision as the reference has it: rounding decides between neighbours.
    private func bucket(_ distance: Int) -> Int {
        let middle = self.buckets / 2
        guard self.buckets > 0 && abs(distance) > middle else { return distance }
        let (far, end) = (Float(abs(distance)) / Float(middle), Float(Double(self.maximum - 1) / Double(middle)))
        let place = (logf(far) / logf(end) * Float(middle - 1)).rounded(.up) + Float(middle)
        return Int(place) * distance.signum()
    }
}
