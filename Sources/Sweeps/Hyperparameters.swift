/// The hyperparameters that every method has and that decide a shard's result, as values of their own types.
public struct Hyperparameters: Hashable, Sendable {
    public enum Optimizer: String, Sendable, CaseIterable {
        /// `torch.optim.AdamW`: decay first, both moments corrected.
        case adamW
        /// The AdamW of transformers up to 4.x: epsilon beside the uncorrected root, decay last.
        case adamWTransformers
    }

    public enum Checkpoint: String, Sendable, CaseIterable {
        /// The parameters with the best validation metric so far; the first of equals.
        case best
        /// The parameters after the last step.
        case last
    }

    /// What tells which of a run's evaluations is best.
    public enum Selection: String, Sendable, CaseIterable {
        /// The task's metric.
        case metric
        /// The loss.
        case loss
    }

    /// Where the learning rate has fallen to 0.
    public enum DecayEnd: String, Sendable, CaseIterable {
        case lastStep
        /// After epochs · examples / batch steps, rounded down: as in SoRA's release, whose last steps have rate 0.
        case truncated
    }

    /// By which rule a table counts parameters.
    public enum CountingRule: String, Sendable, CaseIterable {
        /// The one behind the method's published numbers.
        case published
        /// What is there.
        case `true`
    }

    /// How many steps come before the learning rate is at its peak.
    public enum Warmup: Hashable, Sendable {
        /// A share of the steps to the decay's end, rounded up (of a method's gates: down).
        case ratio(Double)
        case steps(Int)
    }

    public var epochs: Int
    public var maximumSteps: Int?
    public var batchSize: Int
    public var learningRate: Double
    public var warmup: Warmup
    public var weightDecay: Double
    /// The largest global L2 norm of the gradients; 0 turns clipping off.
    public var gradientClip: Double
    /// In tokens, with the special ones.
    public var maximumLength: Int
    /// Tokens that neighbouring windows of a context share that is longer than one.
    public var windowOverlap: Int
    /// `nil`: what the backbone's configuration says.
    public var dropout: Double?
    /// Before the head's last layer; `nil`: as ``dropout``.
    public var classifierDropout: Double?
    /// Whether the head is trained, or stays as it begins.
    public var headTrainable: Bool
    public var optimizer: Optimizer
    public var adamEpsilon: Double
    public var beta1: Double
    public var beta2: Double
    public var trainingExamples: Int?
    public var evaluationExamples: Int?
    /// Steps between evaluations on validation; `nil`: at each epoch's end.
    public var evaluationInterval: Int?
    public var checkpoint: Checkpoint
    public var selection: Selection
    /// Evaluations without a better one after which training ends.
    public var patience: Int?
    public var decayEnd: DecayEnd
    public var countingRule: CountingRule
    public var shuffle: Bool
    public var splitProtocol: SplitProtocol

    /// The settings with their ranges and defaults.
    public static let settings: [Setting] = [
        Setting("epochs", .integer(1...100_000), .integer(3), help: "passes over the training examples"),
        Setting(
            "maximumSteps",
            .integer(1...Int.max),
            help: "ends training after so many steps, which the schedule takes as the whole"
        ),
        Setting("batchSize", .integer(1...65_536), .integer(32), help: "examples in a step"),
        Setting("learningRate", .number(0...1e3), .number(5e-5), help: "the peak, after the warmup"),
        Setting(
            "warmupRatio",
            .number(0...1),
            .number(0.06),
            help: "the share of all steps in which the learning rate rises"
        ),
        Setting("warmupSteps", .integer(0...Int.max), help: "instead of warmupRatio"),
        Setting("weightDecay", .number(0...1e3), .number(0), help: "for all but biases and layer norms"),
        Setting(
            "gradientClip",
            .number(0...1e9),
            .number(1),
            help: "the largest global L2 norm of the gradients; 0: no clipping"
        ),
        Setting(
            "maximumLength",
            .integer(3...65_536),
            .integer(128),
            help: "tokens of an example, the special ones included"
        ),
        Setting(
            "windowOverlap",
            .integer(0...65_536),
            help: "squad: tokens that two windows of one context share; default: a third of maximumLength"
        ),
        Setting("dropout", .number(0...0.99), help: "all dropout of the encoder and head; default: the backbone's own"),
        Setting(
            "classifierDropout",
            .number(0...0.99),
            help: "before the head's last layer; default: as dropout"
        ),
        Setting(
            "headTrainable",
            .flag,
            .flag(true),
            isKeptAtDefault: false,
            help: "whether the head is trained, or stays as it begins"
        ),
        Setting("optimizer", default: Optimizer.adamW, help: "which form of AdamW"),
        Setting("adamEpsilon", .number(0...1), .number(1e-8), help: "AdamW's epsilon"),
        Setting("beta1", .number(0...0.999999), .number(0.9), help: "AdamW's decay of the first moment"),
        Setting("beta2", .number(0...0.999999), .number(0.999), help: "AdamW's decay of the second moment"),
        Setting(
            "trainingExamples",
            .integer(1...Int.max),
            help: "only the first so many of the task's fixed permutation"
        ),
        Setting("evaluationExamples", .integer(1...Int.max), help: "the same for each split that is scored"),
        Setting(
            "evaluationInterval",
            .integer(1...Int.max),
            help: "steps between evaluations; default: each epoch's end"
        ),
        Setting(
            "checkpointSeconds",
            .number(0...1e9),
            .number(60),
            decidesResult: false,
            help: "seconds between checkpoints; 0: after every step"
        ),
        Setting(
            "checkpoint",
            .choice(Checkpoint.allCases.map(\.rawValue)),
            help: "what is scored; default: last for fullDev, else best"
        ),
        Setting(
            "selection",
            default: Selection.metric,
            isKeptAtDefault: false,
            help: "by what an evaluation is better than another: the task's metric, or the loss"
        ),
        Setting(
            "patience",
            .integer(1...Int.max),
            help: "ends training after so many evaluations without a better one"
        ),
        Setting(
            "decayEnd",
            default: DecayEnd.lastStep,
            isKeptAtDefault: false,
            help:
                "where the rate is 0; truncated: after epochs · examples / batchSize steps, rounded down (SoRA's release)"
        ),
        Setting(
            "countingRule",
            default: CountingRule.published,
            decidesResult: false,
            isKeptAtDefault: false,
            help: "of the table's parameters: as the method's published numbers count, or what is there"
        ),
        Setting("shuffle", .flag, .flag(true), help: "whether each epoch has an order of its own"),
        Setting(
            "protocol",
            default: SplitProtocol.fullDev,
            help: "how the task's files are split"
        ),
    ]

    /// Reads settings that ``MethodDescription/resolve(_:)`` has checked.
    ///
    /// - Precondition: every setting with a default is there, each of its own kind.
    public init(_ settings: Settings) {
        let settings = ResolvedSettings(settings)
        self.epochs = settings.integer("epochs")
        self.maximumSteps = settings.optionalInteger("maximumSteps")
        self.batchSize = settings.integer("batchSize")
        self.learningRate = settings.number("learningRate")
        self.warmup =
            settings.optionalInteger("warmupSteps").map(Warmup.steps) ?? .ratio(settings.number("warmupRatio"))
        self.weightDecay = settings.number("weightDecay")
        self.gradientClip = settings.number("gradientClip")
        self.maximumLength = settings.integer("maximumLength")
        self.windowOverlap = settings.optionalInteger("windowOverlap") ?? self.maximumLength / 3
        self.dropout = settings.optionalNumber("dropout")
        self.classifierDropout = settings.optionalNumber("classifierDropout")
        self.headTrainable = settings.optionalFlag("headTrainable") ?? true
        self.optimizer = settings.choice("optimizer")
        self.adamEpsilon = settings.number("adamEpsilon")
        self.beta1 = settings.number("beta1")
        self.beta2 = settings.number("beta2")
        self.trainingExamples = settings.optionalInteger("trainingExamples")
        self.evaluationExamples = settings.optionalInteger("evaluationExamples")
        self.evaluationInterval = settings.optionalInteger("evaluationInterval")
        self.selection = settings.optionalChoice("selection") ?? .metric
        self.patience = settings.optionalInteger("patience")
        self.decayEnd = settings.optionalChoice("decayEnd") ?? .lastStep
        self.countingRule = settings.optionalChoice("countingRule") ?? .published
        self.shuffle = settings.flag("shuffle")
        self.splitProtocol = settings.choice("protocol")
        self.checkpoint =
            settings.optionalChoice("checkpoint") ?? Checkpoint(rawValue: self.splitProtocol.defaultCheckpoint) ?? .last
    }
}

/// Typed reading of checked settings; a missing or ill-typed one is a bug of the caller.
public struct ResolvedSettings: Sendable {
    private let settings: Settings

    public init(_ settings: Settings) { self.settings = settings }

    public func integer(_ name: String) -> Int { self.required(name, self.optionalInteger(name)) }
    public func number(_ name: String) -> Double { self.required(name, self.optionalNumber(name)) }
    public func choice<Choice: RawRepresentable<String>>(_ name: String) -> Choice {
        self.required(name, self.optionalChoice(name))
    }

    public func flag(_ name: String) -> Bool { self.required(name, self.optionalFlag(name)) }

    public func optionalFlag(_ name: String) -> Bool? {
        guard case .flag(let value) = self.settings[name] else { return nil }
        return value
    }

    public func list(_ name: String) -> [String] {
        guard case .list(let values) = self.settings[name] else { return self.required(name, nil) }
        return values
    }

    public func optionalInteger(_ name: String) -> Int? {
        guard case .integer(let value) = self.settings[name] else { return nil }
        return value
    }

    public func optionalNumber(_ name: String) -> Double? {
        switch self.settings[name] {
        case .number(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }

    public func optionalChoice<Choice: RawRepresentable<String>>(_ name: String) -> Choice? {
        guard case .text(let value) = self.settings[name] else { return nil }
        return Choice(rawValue: value)
    }

    private func required<Value>(_ name: String, _ value: Value?) -> Value {
        guard let value else { preconditionFailure("setting \(name) is \(String(describing: self.settings[name]))") }
        return value
    }
}
