public import Adapters
public import Sweeps

/// The learning rate of every step: a linear rise from 0, then a linear fall to 0 at the end (as HF's
/// `get_linear_schedule_with_warmup`).
///
///     f(s) = s / warmup                       for s < warmup
///     f(s) = (decay - s) / (decay - warmup)   after that
///
/// with `s` the steps already done, so that the first step of a warmup is taken with rate 0, and `decay` the steps of the
/// first stage, or what `decayEnd` says. Later stages have one rate.
public struct Schedule: Hashable, Sendable {
    /// All steps of the run.
    public let steps: Int
    public let warmupSteps: Int
    public let peak: Double
    /// Those of the first stage: all, unless the method has later ones.
    public let firstSteps: Int
    private let decaySteps: Int
    private let laterStages: LaterStages?
    private let stageSteps: Int

    /// - Parameter warmupRounding: of a warmup that is a share of the steps.
    public init(
        _ hyperparameters: Hyperparameters,
        examples: Int,
        laterStages: LaterStages? = nil,
        warmupRounding: FloatingPointRoundingRule = .up
    ) {
        let batch = hyperparameters.batchSize
        let perEpoch = (examples + batch - 1) / batch
        let (all, limit) = (perEpoch * hyperparameters.epochs, hyperparameters.maximumSteps ?? .max)
        let first = min(all, limit)
        self.firstSteps = first
        self.stageSteps = perEpoch * (laterStages?.epochs ?? 0)
        self.steps = min(first + self.stageSteps * (laterStages?.count ?? 0), limit)
        self.laterStages = laterStages
        switch hyperparameters.decayEnd {
        case .lastStep: self.decaySteps = first
        case .truncated: self.decaySteps = max(1, min(hyperparameters.epochs * examples / batch, first))
        }
        switch hyperparameters.warmup {
        case .ratio(let ratio): self.warmupSteps = Int((Double(self.decaySteps) * ratio).rounded(warmupRounding))
        case .steps(let steps): self.warmupSteps = steps
        }
        self.peak = hyperparameters.learningRate
    }

    /// The learning rate of the step after so many.
    public func learningRate(after step: Int) -> Double {
        if step >= self.firstSteps, let laterStages = self.laterStages {
            return laterStages.learningRate == .live ? self.peak : 0
        }
        if step < self.warmupSteps { return self.peak * Double(step) / Double(max(1, self.warmupSteps)) }
        return self.peak * max(0, Double(self.decaySteps - step) / Double(max(1, self.decaySteps - self.warmupSteps)))
    }

    /// The stage of the step after so many: 0, then the later ones'.
    public func stage(after step: Int) -> Int {
        step < self.firstSteps || self.stageSteps == 0 ? 0 : 1 + (step - self.firstSteps) / self.stageSteps
    }

    /// Whether a stage ends with that many steps done, where there are several.
    public func endsStage(_ step: Int) -> Bool {
        guard self.laterStages != nil, step > 0 else { return false }
        return step == self.steps || self.stage(after: step) != self.stage(after: step - 1)
    }
}
