internal import Tensors

/// Which examples each step sees: a function of the seed and the step, so that a resumed run needs no state.
public struct BatchOrder: Sendable {
    private let examples: Int
    private let batchSize: Int
    private let seed: UInt64
    private let isShuffled: Bool
    /// The permutation of the epoch that was asked for last.
    private var epoch = -1
    private var order: [Int] = []

    public init(examples: Int, batchSize: Int, seed: UInt64, isShuffled: Bool) {
        precondition(examples > 0 && batchSize > 0, "\(examples) examples in batches of \(batchSize)")
        self.examples = examples
        self.batchSize = batchSize
        self.seed = seed
        self.isShuffled = isShuffled
    }

    public var stepsPerEpoch: Int { (self.examples + self.batchSize - 1) / self.batchSize }

    /// The examples of the step after so many; an epoch's last batch may be smaller.
    public mutating func batch(after step: Int) -> ArraySlice<Int> {
        let (epoch, index) = step.quotientAndRemainder(dividingBy: self.stepsPerEpoch)
        if epoch != self.epoch {
            let stream = RandomStream(seed: self.seed, stream: 0x2000_0000, step: epoch)
            self.order = self.isShuffled ? stream.permutation(self.examples) : Array(0..<self.examples)
            self.epoch = epoch
        }
        let start = index * self.batchSize
        return self.order[start..<min(start + self.batchSize, self.examples)]
    }
}
