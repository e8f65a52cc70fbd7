// The methods' own hyperparameters, in the words of their papers; what they compute is in `Adapters`.

extension MethodDescription {
    static let full = MethodDescription(name: "full", settings: [])

    static let bitFit = MethodDescription(
        name: "bitfit",
        settings: [
            Setting(
                "intermediateBias",
                .flag,
                .flag(true),
                isKeptAtDefault: false,
                help: "whether biases of intermediate layers, and outside the blocks, are trained too"
            )
        ]
    )

    static let houlsby = bottleneck("houlsby", size: 32, .silu, .sublayer, ["attentionOutput", "output"])
    static let pfeiffer = bottleneck("pfeiffer", size: 64, .relu, .normed, ["output"])

    static let lora = MethodDescription(
        name: "lora",
        settings: [
            Setting("rank", .integer(1...1024), .integer(8), help: "columns of A and rows of B"),
            alpha,
            targets(linearLayers),
            initialization,
            loraDropout,
            Setting(
                "orthogonalWeight",
                .number(0...1e6),
                .number(0),
                isKeptAtDefault: false,
                help: "γ of a penalty on the cosines between A's rows and between B's columns; 0: none"
            ),
        ]
    )

    static let adaLoRA = MethodDescription(
        name: "adalora",
        settings: [
            Setting(
                "initialRank",
                .integer(1...1024),
                .integer(12),
                help: "of every layer at first; the scale is alpha / it"
            ),
            Setting("targetRank", .integer(0...1024), .integer(8), help: "the mean over the layers at the end"),
            alpha,
            targets(linearLayers),
            loraDropout,
            Setting(
                "initialSteps",
                .integer(0...Int.max),
                help: "tinit: steps before the budget falls; default: 15 % of all"
            ),
            Setting(
                "finalSteps",
                .integer(0...Int.max),
                help: "tfinal: steps at the end with the final budget; default: 45 % of all"
            ),
            Setting("interval", .integer(1...Int.max), .integer(1), help: "ΔT: steps between prunings"),
            Setting("orthogonalWeight", .number(0...1e6), .number(0.1), help: "γ of the orthogonal regulariser"),
            Setting(
                "orthogonalForm",
                default: OrthogonalForm.normMean,
                help: "of the regulariser: the code's mean of norms, or the paper's sum of squared norms"
            ),
            Setting("beta1Importance", .number(0...0.999999), .number(0.85), help: "decay of the mean sensitivity"),
            Setting("beta2Importance", .number(0...0.999999), .number(0.85), help: "decay of its mean uncertainty"),
        ]
    ) { settings in
        let (initial, target) = (settings.integer("initialRank"), settings.integer("targetRank"))
        if target > initial { return "targetRank is \(target); give at most initialRank, \(initial)" }
        let (start, end) = (settings.optionalInteger("initialSteps") ?? 0, settings.optionalInteger("finalSteps") ?? 0)
        guard let steps = settings.optionalInteger("maximumSteps"), start >= steps || end >= steps - start
        else {
            return nil
        }
        return
            "initialSteps \(start) and finalSteps \(end) leave none of maximumSteps, \(steps), to prune in; lower them"
    }

    static let soRA = MethodDescription(
        name: "sora",
        settings: [
            Setting("rank", .integer(1...1024), .integer(8), help: "r_max: gates of every layer at first"),
            alpha,
            targets(linearLayers),
            initialization,
            loraDropout,
            Setting(
                "sparsity",
                .number(0...100),
                .number(3e-4),
                help: "by which the gates' proximal step shrinks: ξ, or λ that the rate multiplies (see proximal)"
            ),
            Setting(
                "proximal",
                default: ProximalRule.repo,
                help:
                    "paper: soft threshold at rate · λ; repo: ξ, and all below 2 ξ are 0; repoMultiplyLR: that at rate · ξ"
            ),
            Setting(
                "l1Weight",
                .number(0...1e6),
                .number(0),
                help: "of the gates' mean absolute value in the loss; 0: none"
            ),
            Setting("gateLearningRate", .number(0...1e3), help: "the gates' own; default: learningRate"),
            Setting("gateEpsilon", .number(1e-30...1), .number(1e-6), help: "epsilon of the gates' own Adam"),
            Setting(
                "schedule",
                default: SparsitySchedule.none,
                help: "of further stages after the first, each with a larger sparsity"
            ),
            Setting("maximumSparsity", .number(0...100), help: "of the last stage"),
            Setting("stages", .integer(2...1000), .integer(10), help: "with the first, where there is a schedule"),
            Setting("stageEpochs", .integer(1...100_000), .integer(15), help: "of each stage after the first"),
            Setting(
                "stageLearningRate",
                default: StageLearningRate.live,
                help: "after the first stage: the peak again, or 0 as the release's spent schedule leaves it"
            ),
        ]
    ) { settings in
        let schedule: SparsitySchedule = settings.choice("schedule")
        if schedule != .none, settings.optionalInteger("patience") != nil {
            return "patience and schedule are both given; keep one: stages have their own ends"
        }
        let rule: ProximalRule = settings.choice("proximal")
        if schedule != .none, settings.choice("stageLearningRate") as StageLearningRate == .spent, rule != .repo {
            return
                "stageLearningRate is spent and proximal \(rule.rawValue), which a rate of 0 stops; take live, or repo"
        }
        guard schedule != .none else {
            let surplus = settings.optionalNumber("maximumSparsity") != nil
            return surplus
                ? "maximumSparsity is given without a schedule; give one of linear, logLinear, expLinear" : nil
        }
        guard let last = settings.optionalNumber("maximumSparsity") else {
            return "schedule is \(schedule.rawValue) and maximumSparsity is missing; give the last stage's sparsity"
        }
        let first = settings.number("sparsity")
        if last < first { return "maximumSparsity is \(last); give at least sparsity, \(first)" }
        return schedule == .expLinear && first == 0 ? "sparsity is 0; expLinear begins above 0" : nil
    } idle: { settings in
        settings.choice("schedule") as SparsitySchedule == .none ? ["stages", "stageEpochs", "stageLearningRate"] : []
    }

    static let aLoRA = MethodDescription(
        name: "alora",
        settings: [
            Setting(
                "initialRank",
                .integer(1...1024),
                .integer(8),
                help: "of every layer at first; the scale is alpha / it"
            ),
            Setting("maximumRank", .integer(1...1024), .integer(32), help: "the most that one layer may come to"),
            alpha,
            targets(linearLayers),
            initialization,
            loraDropout,
            Setting("firstEpochs", .number(0...100_000), .number(1), help: "K1: epochs before the first re-allocation"),
            Setting("roundEpochs", .number(0.001...100_000), .number(0.25), help: "K2: epochs from one to the next"),
            Setting("rounds", .integer(0...10_000), .integer(8), help: "N_A: re-allocations"),
            Setting(
                "prunedRanks",
                .integer(1...100_000),
                help: "n_A: ranks that a re-allocation takes from its scope; default: as many as targets"
            ),
            Setting(
                "scope",
                default: AllocationScope.network,
                help: "among which ranks prunedRanks are chosen: the whole network's, or each block's own"
            ),
            Setting(
                "scaling",
                default: RankScaling.initial,
                help: "by which rank alpha is divided: the layer's first, or its current one"
            ),
            Setting(
                "momentReset",
                default: MomentReset.ranks,
                help: "whose moments a re-allocation sets to 0: the new and pruned ranks', or all"
            ),
            Setting(
                "importanceExamples",
                .integer(1...65_536),
                .integer(32),
                help: "of validation, on which ranks are ablated"
            ),
        ]
    ) { settings in
        let (initial, most) = (settings.integer("initialRank"), settings.integer("maximumRank"))
        return initial <= most ? nil : "maximumRank is \(most); give at least initialRank, \(initial)"
    }

    /// Both kinds of adapters with a bottleneck: they differ in their defaults.
    private static func bottleneck(
        _ name: String,
        size: Int,
        _ activation: AdapterActivation,
        _ placement: AdapterPlacement,
        _ layers: [String]
    ) -> MethodDescription {
        MethodDescription(
            name: name,
            settings: [
                Setting("bottleneck", .integer(1...65_536), .integer(size), help: "the adapters' inner width"),
                Setting(
                    "activation",
                    default: activation,
                    help: "between the two projections; geluNew is gelu's tanh form"
                ),
                Setting(
                    "placement",
                    default: placement,
                    help: "linear: on a layer's output; sublayer: after its dropout; normed: on the normed sum"
                ),
                targets(layers),
                Setting(
                    "initialDeviation",
                    .number(0...10),
                    .number(0.02),
                    help: "of both projections at first (OpenDelta 0.01, Houlsby's release 0.001)"
                ),
                Setting("layerNormTrainable", .flag, .flag(false), help: "whether all layer norms are trained too"),
            ]
        ) { settings in
            let placement: AdapterPlacement = settings.choice("placement")
            guard placement != .linear else { return nil }
            let ends = ["attentionOutput", "output"]
            guard let other = settings.list("targets").first(where: { !ends.contains($0) }) else { return nil }
            return "targets has \(other); placement \(placement.rawValue) is for attentionOutput and output"
        }
    }

    private static let alpha = Setting(
        "alpha",
        .number(0...1e6),
        .number(16),
        help: "the update is scaled by alpha / rank"
    )

    private static func targets(_ layers: [String]) -> Setting {
        Setting("targets", .names(linearLayers), .list(layers), help: "the linear layers that are adapted")
    }

    private static let initialization = Setting(
        "initialization",
        default: LoRAInitialization.kaimingUniform,
        isKeptAtDefault: false,
        help: "of A: the release's, that of its DeBERTa (deviation 0.02), or PEFT's gaussian (1 / rank)"
    )

    private static let loraDropout = Setting(
        "loraDropout",
        .number(0...0.99),
        .number(0),
        isKeptAtDefault: false,
        help: "of the update's input alone"
    )
}

/// How LoRA's A begins.
public enum LoRAInitialization: String, CaseIterable, Sendable {
    /// Uniform in ±1 / √in: the authors' release, and PEFT.
    case kaimingUniform
    /// Normal, of the deviation 0.02: the releases of LoRA and AdaLoRA for DeBERTa, which overwrite the former.
    case normal
    /// Normal, of the deviation 1 / rank: PEFT's `gaussian`.
    case gaussian
}

/// Which loss keeps AdaLoRA's factors orthogonal: `M = A Aᵀ − I`, and `Bᵀ B − I`.
public enum OrthogonalForm: String, CaseIterable, Sendable {
    /// The mean of `‖M‖` over all factors: the release and PEFT.
    case normMean
    /// The sum of `‖M‖²` over all factors: the paper, equation 4.
    case squaredSum
}

/// How SoRA shrinks its gates after their step.
public enum ProximalRule: String, CaseIterable, Sendable {
    /// Soft threshold at `rate · λ`.
    case paper
    /// 0 below `2 ξ`, else shrunk by `ξ`, whatever the rate: the operator that the release runs.
    case repo
    /// The same with `rate · ξ`: the release's other file.
    case repoMultiplyLR
}

/// How SoRA's sparsity grows from stage to stage.
public enum SparsitySchedule: String, CaseIterable, Sendable {
    case none
    /// In equal steps.
    case linear
    /// The logarithm of equal steps of the exponential.
    case logLinear
    /// The exponential of equal steps of the logarithm.
    case expLinear
}

/// The learning rate of stages after a run's first.
public enum StageLearningRate: String, CaseIterable, Sendable {
    /// The peak, constant.
    case live
    /// 0: the release goes on with a schedule that has ended.
    case spent
}

/// Among which ranks ALoRA chooses.
public enum AllocationScope: String, CaseIterable, Sendable {
    case network
    case block
}

/// What ALoRA divides alpha by.
public enum RankScaling: String, CaseIterable, Sendable {
    case initial
    case current
}

/// What becomes of the optimiser's moments when ALoRA re-allocates.
public enum MomentReset: String, CaseIterable, Sendable {
    case ranks
    case all
}

/// Between an adapter's two projections.
public enum AdapterActivation: String, CaseIterable, Sendable {
    case silu
    case relu
    case gelu
    /// The tanh form.
    case geluNew
}

/// Where adapters with a bottleneck stand.
public enum AdapterPlacement: String, CaseIterable, Sendable {
    /// `y + a(y)` of a linear layer's output `y`, before its dropout (OpenDelta).
    case linear
    /// `h + a(h)` of a sublayer's output `h` after dropout, before the residual sum (Houlsby et al. 2019).
    case sublayer
    /// `h + a(LayerNorm(h + x))`, before the residual sum with `x` and the same norm again (Pfeiffer et al. 2020, in the
    /// form of AdaLoRA's release).
    case normed
}
