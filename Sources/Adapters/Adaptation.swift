public import Encoders
public import Layers
public import Tensors

/// A method at work in one network: what it puts there, and what it does and keeps between steps.
///
/// In a training step: gradients of the task's loss, ``addPenalty(_:team:)``, clipping and the optimiser's step,
/// ``update(_:team:)``.
public protocol Adaptation: AnyObject {
    /// Does to new parameters what their declarations cannot say; called once.
    func begin()

    /// What stands at a linear layer.
    func addition(block: Int, layer: LinearLayer) -> LayerAddition?

    /// Whether ``update(_:team:)`` reads the gradients of the step, as clipped.
    var readsGradients: Bool { get }

    /// Refuses a run that is too short or too long for the method's settings.
    func check(steps: Int, perEpoch: Int) throws(InvalidRun)

    /// Adds the gradient of the method's own part of the loss, and returns that part.
    func addPenalty(team: Team) -> Double

    /// The method's own update, after the optimiser's.
    func update(_ step: FinishedStep, team: Team)

    /// Re-allocates what is due before a step.
    func reallocate(before step: UpcomingStep, scorer: any NetworkScorer) -> Reallocation

    /// What a checkpoint must hold beside parameters and moments.
    var state: [(name: String, values: MutableMatrixView)] { get }

    /// The indices of the ranks that each layer's update has, by the layer's path; empty where the method has none.
    var keptRanks: [(place: LayerPlace, path: String, kept: [Int])] { get }

    /// The ranks that each layer had at first.
    var initialRank: Int { get }

    /// The gates' threshold of a stage, where there is one.
    func sparsity(stage: Int) -> Double?

    /// Trainable parameters outside the head, as they now are.
    var counts: ParameterCounts { get }

    /// The same as they were before the first step.
    var initialCounts: ParameterCounts { get }

    /// The weight of a layer, `[out, in]`, with what stands beside it added; nil where nothing does.
    func mergedWeight(block: Int, layer: LinearLayer) -> [Float]?
}

extension Adaptation {
    public func begin() {}
    public func addition(block: Int, layer: LinearLayer) -> LayerAddition? { nil }
    public var readsGradients: Bool { false }
    public func check(steps: Int, perEpoch: Int) throws(InvalidRun) {}
    public func addPenalty(team: Team) -> Double { 0 }
    public func update(_ step: FinishedStep, team: Team) {}
    public func reallocate(before step: UpcomingStep, scorer: any NetworkScorer) -> Reallocation { .none }
    public var state: [(name: String, values: MutableMatrixView)] { [] }
    public var keptRanks: [(place: LayerPlace, path: String, kept: [Int])] { [] }
    public var initialRank: Int { 0 }
    public func sparsity(stage: Int) -> Double? { nil }
    public var initialCounts: ParameterCounts { self.counts }
    public func mergedWeight(block: Int, layer: LinearLayer) -> [Float]? { nil }
}

/// A linear layer of one block.
public struct LayerPlace: Hashable, Sendable {
    public let block: Int
    public let layer: LinearLayer

    var path: String { self.layer.path(block: self.block) }

    /// The layers of an encoder that are among the targets, in the order of the forward pass.
    static func all(_ configuration: EncoderConfiguration, targets: Set<LinearLayer>) -> [LayerPlace] {
        (0..<configuration.layers).flatMap { block in
            LinearLayer.allCases.filter(targets.contains).map { LayerPlace(block: block, layer: $0) }
        }
    }
}

/// A step that the optimiser has taken.
public struct FinishedStep: Hashable, Sendable {
    /// Counted from 0.
    public var index: Int
    /// All steps of the run.
    public var steps: Int
    public var learningRate: Double
    /// The gates' own.
    public var gateLearningRate: Double
    /// 0, then that of ``LaterStages``.
    public var stage: Int

    public init(index: Int, steps: Int, learningRate: Double, gateLearningRate: Double, stage: Int) {
        self.index = index
        self.steps = steps
        self.learningRate = learningRate
        self.gateLearningRate = gateLearningRate
        self.stage = stage
    }
}

/// A step that is to be taken next.
public struct UpcomingStep: Hashable, Sendable {
    /// Counted from 0.
    public var index: Int
    public var stepsPerEpoch: Int

    public init(index: Int, stepsPerEpoch: Int) {
        self.index = index
        self.stepsPerEpoch = stepsPerEpoch
    }
}

/// Tells how good a network is while its method changes it.
public protocol NetworkScorer {
    /// Minus the mean loss on the first so many validation examples, with the network as it now is.
    ///
    /// - Parameter prefix: says that the network below its block is as it was at earlier scores with the same prefix: what
    ///   was computed there is used again.
    /// - Returns: nil where the run is to stop.
    func score(examples: Int, prefix: NetworkPrefix?) -> Double?
}

/// One state of the part of a network below a block.
public struct NetworkPrefix: Hashable, Sendable {
    public let block: Int
    /// Without what the method adds.
    public let isBare: Bool
}

/// What ``Adaptation/reallocate(before:scorer:)`` did.
public enum Reallocation: Sendable {
    case none
    /// The additions are others now; the moments of these parts of the trainable parameters begin anew, or have moved.
    case changed([MomentChange])
    /// The run is to stop: nothing was changed.
    case stopped
}

/// What becomes of the moments of one trainable number.
public enum MomentChange: Hashable, Sendable {
    case reset(Int)
    case move(from: Int, to: Int)
}

/// A run whose length and method do not go together, in one line that says what to change.
public struct InvalidRun: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// How many numbers are trained outside the head.
public struct ParameterCounts: Hashable, Sendable {
    /// As the method's published numbers count.
    public var published: Int
    /// What is there.
    public var exact: Int
}

/// A method that does nothing but train what it declares.
final class TrainableOnly: Adaptation {
    private let store: ParameterStore
    private let additions: [LayerPlace: LayerAddition]

    init(store: ParameterStore, additions: [LayerPlace: LayerAddition] = [:]) {
        self.store = store
        self.additions = additions
    }

    func addition(block: Int, layer: LinearLayer) -> LayerAddition? {
        self.additions[LayerPlace(block: block, layer: layer)]
    }

    var counts: ParameterCounts {
        let count = self.store.trainableCounts.method
        return ParameterCounts(published: count, exact: count)
    }
}
