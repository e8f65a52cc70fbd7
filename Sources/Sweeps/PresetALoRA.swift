// ALoRA (Liu et al. 2024, arXiv:2403.16187) and its baselines, on LLaMA-2 7B: section 4.3 and Appendix E. No code was
// released.

extension Preset {
    /// The scale, A's initialisation and the dropout are nowhere said, nor are lengths for encoders (LLaMA-2 reads 2,048
    /// tokens), nor the budget's and gates' own settings of AdaLoRA and SoRA, nor what section 4.3 leaves open: whether
    /// n_A, a block's number of modules, is taken from each block or from the network, and a new rank's scale and moments.
    static let aLoRAPaper = Preset(
        name: "alora-paper",
        places: "the ALoRA paper's section 4.3 and Appendices B, E and G",
        methods: [
            MethodValues(
                method: "alora",
                common: common.with(
                    paper("section 4.3").says([
                        "initialRank": .integer(8), "firstEpochs": .number(1), "roundEpochs": .number(0.25),
                        "rounds": .integer(8), "importanceExamples": .integer(32),
                    ])
                ),
                tasks: batches,
                needed: needed + [
                    "alpha", "initialization", "loraDropout", "prunedRanks", "scope", "scaling", "momentReset",
                    "maximumRank",
                ]
            ),
            MethodValues(
                method: "lora",
                common: common.with(appendix.says(["rank": .integer(8)])),
                tasks: batches,
                needed: needed + ["alpha", "initialization", "loraDropout"]
            ),
            MethodValues(
                method: "adalora",
                common: common.with(appendix.says(["initialRank": .integer(16), "targetRank": .integer(8)])),
                tasks: batches,
                needed: needed + [
                    "alpha", "loraDropout", "initialSteps", "finalSteps", "interval", "orthogonalWeight",
                    "orthogonalForm", "beta1Importance", "beta2Importance",
                ]
            ),
            MethodValues(
                method: "sora",
                common: common.with(appendix.says(["rank": .integer(16)])),
                tasks: batches,
                needed: needed + [
                    "alpha", "initialization", "loraDropout", "sparsity", "proximal", "schedule", "l1Weight",
                ]
            ),
        ]
    )

    private static let needed = ["maximumLength", "batchSize", "headTrainable"]

    private static let appendix = paper("App. E")

    private static func paper(_ place: String) -> SettingSource { SettingSource(.paper, place) }

    /// What the paper does not name it leaves to transformers' own defaults.
    private static let common = appendix.says([
        "learningRate": .number(1e-4), "epochs": .integer(10), "warmupRatio": .number(0.06),
        "optimizer": .text("adamW"), "decayEnd": .text("lastStep"), "evaluationInterval": .integer(200),
        "patience": .integer(10), "selection": .text("loss"), "checkpoint": .text("best"),
    ]).with(
        paper("App. E: transformers' defaults").says([
            "weightDecay": .number(0), "gradientClip": .number(1), "adamEpsilon": .number(1e-8), "beta1": .number(0.9),
            "beta2": .number(0.999), "shuffle": .flag(true),
        ]),
        paper("App. B.1").says(["protocol": .text("soraStated")]),
        paper("Table 7: 3.54M").says(["targets": .list(MethodDescription.linearLayers)])
    )

    /// By the number of training examples: fewer than 10,000, or more.
    private static let batches: [String: [String: SourcedValue]] = {
        let small = ["cola", "mrpc", "rte", "sts-b", "wnli", "boolq", "cb", "copa", "wic", "wsc"]
        let large = ["sst-2", "qqp", "mnli", "qnli", "multirc", "record", "squad", "squad-2"]
        let sizes = small.map { ($0, 16) } + large.map { ($0, 128) }
        return Dictionary(uniqueKeysWithValues: sizes.map { ($0, appendix.says(["batchSize": .integer($1)])) })
    }()
}
