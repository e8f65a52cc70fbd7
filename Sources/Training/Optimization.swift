internal import Adapters
internal import Encoders
internal import Sweeps
internal import Tensors

/// How a shard's parameters are moved: the optimiser with its learning rates, and the method's own part of a step.
final class Optimization {
    let optimizer: AdamW
    let schedule: Schedule
    /// Of the method's gates.
    private let gateSchedule: Schedule?

    /// - Parameters:
    ///   - parameters: how many are trained.
    ///   - examples: how many they are trained on.
    init(_ hyperparameters: Hyperparameters, method: any FineTuningMethod, parameters: Int, examples: Int) {
        let gates = method.gateHyperparameters(hyperparameters)
        func schedule(_ hyperparameters: Hyperparameters, warmupRounding: FloatingPointRoundingRule) -> Schedule {
            Schedule(
                hyperparameters,
                examples: examples,
                laterStages: method.laterStages,
                warmupRounding: warmupRounding
            )
        }
        self.optimizer = AdamW(count: parameters, hyperparameters, gates: gates)
        self.schedule = schedule(hyperparameters, warmupRounding: .up)
        self.gateSchedule = gates.map { schedule($0, warmupRounding: .down) }
    }

    /// What a step came to.
    struct Step {
        /// What the method adds to the loss.
        let penalty: Double
        /// Of all gradients before clipping.
        let norm: Double
        let learningRate: Double
    }

    /// Takes a step with the gradients of the task's mean loss, which it leaves at zero.
    ///
    /// - Parameters:
    ///   - index: counted from 0.
    ///   - inspect: is called when the gradients are those of all that is minimised.
    func takeStep(
        _ index: Int,
        model: Model,
        team: Team,
        inspect: (Model) throws -> Void
    ) rethrows -> Step {
        let adaptation = model.adaptation
        let penalty = adaptation.addPenalty(team: team)
        try inspect(model)
        let step = FinishedStep(
            index: index,
            steps: self.schedule.steps,
            learningRate: self.schedule.learningRate(after: index),
            gateLearningRate: self.gateSchedule?.learningRate(after: index) ?? 0,
            stage: self.schedule.stage(after: index)
        )
        let norm = self.optimizer.update(
            model.store,
            step: index + 1,
            learningRate: step.learningRate,
            gateLearningRate: step.gateLearningRate,
            keepsGradients: adaptation.readsGradients,
            team: team
        )
        adaptation.update(step, team: team)
        if adaptation.readsGradients { model.store.gradients.mutableView.fill(0) }
        return Step(penalty: penalty, norm: norm, learningRate: step.learningRate)
    }

    /// Follows numbers that a method has moved or drawn anew.
    func apply(_ changes: [MomentChange]) {
        for moments in [self.optimizer.firstMoments.mutableView[0], self.optimizer.secondMoments.mutableView[0]] {
            for change in changes {
                switch change {
                case .reset(let index): moments[index] = 0
                case .move(let from, let to): moments[to] = moments[from]
                }
            }
        }
    }
}
