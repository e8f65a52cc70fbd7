public import Tensors

/// Dropout (Srivastava et al. 2014): in training an element is 0 with probability `rate`, else scaled by
/// 1 / (1 - rate). Its random numbers are a function of (seed, step, site, element): the backward pass draws the
/// same ones again instead of keeping them, and how a step is packed decides nothing.
public struct Dropout: Sendable {
    private let seed: UInt64
    private let step: Int

    public init(seed: UInt64, step: Int) {
        self.seed = seed
        self.step = step
    }

    /// The numbers of one place in the network; sites are told apart by their number.
    public func stream(site: Int) -> RandomStream {
        RandomStream(seed: self.seed, stream: 0x1000_0000 | UInt32(site), step: self.step)
    }

    /// A row's number: which example of the step, which of its tokens.
    public static func row(place: Int, token: Int) -> UInt32 { UInt32(place) << 16 | UInt32(token) }
}

/// Dropout of the rows of a matrix.
public struct RowDropout: Sendable {
    let stream: RandomStream
    let rate: Float
    let rows: [UInt32]

    /// `nil` where nothing is dropped: in evaluation, or at rate 0.
    public init?(_ pass: Pass, site: Int, rate: Float, rows: [UInt32]) {
        guard let dropout = pass.dropout, rate > 0 else { return nil }
        self.stream = dropout.stream(site: site)
        self.rate = rate
        self.rows = rows
    }

    /// `x *= factor` for some rows; forward and backward are the same.
    public func apply(to x: MutableMatrixView, rows: Range<Int>) {
        let width = (x.columns + 3) / 4 * 4
        withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { factors in
            for row in rows {
                self.stream.dropoutFactors(row: self.rows[row], rate: self.rate, into: factors)
                Elementwise.multiply(UnsafeBufferPointer(rebasing: factors[..<x.columns]), into: x[row])
            }
        }
    }
}
