public import Sweeps

/// The learning rate of every step: a linear rise from 0, then a linear fall to 0 at the end (as HF's
/// `get_linear_schedule_with_warmup`).
///
///     f(s) = s / warmup                       for s < warmup
///     f(s) = (steps - s) / (steps - warmup)   after that
///
/// with `s` the steps already done, so that the first step of a warmup is taken with rate 0.
public struct Schedule: Hashable, Sendable {
    /// All steps of the run.
    public let steps: Int
    public let warmupSteps: Int
    public let peak: Double

    public init(_ hyperparameters: Hyperparameters, examples: Int) {
        let perEpoch = (examples + hyperparameters.batchSize - 1) / hyperparameters.batchSize
        let all = perEpoch * hyperparameters.epochs
        self.steps = min(all, hyperparameters.maximumSteps ?? all)
        switch hyperparameters.warmup {
        case .ratio(let ratio): self.warmupSteps = Int((Double(self.steps) * ratio).rounded(.up))
        case .steps(let steps): self.warmupSteps = steps
        }
        self.peak = hyperparameters.learningRate
    }

    /// The learning rate of the step after so many.
    public func learningRate(after step: Int) -> Double {
        if step < self.warmupSteps { return self.peak * Double(step) / Double(max(1, self.warmupSteps)) }
        return self.peak * max(0, Double(self.steps - step) / Double(max(1, self.steps - self.warmupSteps)))
    }
}
