// SoRA (Ding et al. 2023, arXiv:2311.11696) and its baselines on DeBERTaV3-base: the scripts of its release, and what its
// authors answered. Of the paper itself only parameter counts and the rule of the gates are at hand.

extension Preset {
    /// The release's scripts: one task a method, and LoRA's rates and epochs for all by the authors' answer.
    static let soRARepo = Preset(
        name: "sora-repo",
        places: "the scripts of SoRA's release and its issues 3 and 4",
        methods: [
            MethodValues(method: "full", common: full, tasks: fullTasks, needed: needed),
            MethodValues(method: "bitfit", common: bitFit, tasks: bitFitTasks, needed: needed),
            MethodValues(method: "houlsby", common: adapter, tasks: adapterTasks, needed: needed),
            MethodValues(method: "lora", common: lora, tasks: loraTasks, needed: needed),
            MethodValues(
                method: "sora",
                common: sora,
                tasks: soraTasks,
                needed: needed + ["sparsity", "l1Weight", "schedule"]
            ),
        ]
    )

    /// The paper's shapes and its soft threshold, whose λ were not found for any task; else the release's values.
    ///
    /// The release's sparsities are no λ: they shrink the gates whatever the rate.
    static let soRAPaper = Preset(
        name: "sora-paper",
        places: "what is at hand of the SoRA paper, its release's scripts and issues 3 and 4",
        methods: [
            MethodValues(method: "full", common: full, tasks: fullTasks, needed: needed),
            MethodValues(method: "bitfit", common: bitFit, tasks: bitFitTasks, needed: needed),
            MethodValues(
                method: "houlsby",
                common: adapter.with(
                    paper("1.41M").says([
                        "bottleneck": .integer(8), "targets": .list(MethodDescription.linearLayers),
                    ])
                ),
                tasks: adapterTasks,
                needed: needed
            ),
            MethodValues(
                method: "lora",
                common: lora.with(
                    paper("1.33M").says(["rank": .integer(8), "targets": .list(MethodDescription.linearLayers)])
                ),
                tasks: loraTasks,
                needed: needed
            ),
            MethodValues(
                method: "sora",
                common: sora.with(
                    paper("0.91M").says(["rank": .integer(8)]),
                    paper("proximal step").says(["proximal": .text("paper"), "l1Weight": .number(0)])
                ),
                tasks: soraTasks.mapValues {
                    $0.without("sparsity", "l1Weight", "schedule", "maximumSparsity", "stages")
                },
                needed: needed + ["sparsity", "schedule"]
            ),
        ]
    )

    private static let needed = ["learningRate", "batchSize", "epochs", "maximumLength"]

    private static let script = SettingSource(.repo)
    private static let answer = SettingSource(.issue, "SoRA#4")

    private static func paper(_ place: String) -> SettingSource { SettingSource(.paper, place) }

    /// What all scripts and the code behind them have alike. Their head stays random: nothing unfreezes it.
    private static let common = script.says([
        "optimizer": .text("adamWTransformers"), "adamEpsilon": .number(1e-8), "beta1": .number(0.9),
        "beta2": .number(0.999), "weightDecay": .number(0.1), "warmupRatio": .number(0.06),
        "gradientClip": .number(0.1), "decayEnd": .text("truncated"), "shuffle": .flag(true),
        "protocol": .text("soraSplit42"), "evaluationInterval": .integer(1000), "checkpoint": .text("best"),
        "selection": .text("metric"), "headTrainable": .flag(false), "countingRule": .text("published"),
    ])

    private static let full = common.with(script.says(["headTrainable": .flag(true)]))

    private static let bitFit = common.with(script.says(["intermediateBias": .flag(false)]))

    /// OpenDelta's adapter.
    private static let adapter = common.with(
        script.says([
            "bottleneck": .integer(16), "activation": .text("geluNew"), "placement": .text("linear"),
            "targets": .list(["attentionOutput", "output"]), "initialDeviation": .number(0.01),
            "layerNormTrainable": .flag(false),
        ])
    )

    private static let update = common.with(
        script.says([
            "alpha": .number(16), "initialization": .text("kaimingUniform"), "loraDropout": .number(0),
        ])
    )

    /// OpenDelta's LoRA, on its default layers.
    private static let lora = update.with(
        script.says([
            "rank": .integer(16), "targets": .list(["query", "value"]), "orthogonalWeight": .number(0),
        ])
    )

    private static let sora = update.with(
        script.says([
            "rank": .integer(8), "targets": .list(MethodDescription.linearLayers), "proximal": .text("repo"),
            "gateEpsilon": .number(1e-6), "stages": .integer(10), "stageEpochs": .integer(15),
            "stageLearningRate": .text("spent"),
        ])
    )

    private static func run(rate: Double, batch: Int, epochs: Int, length: Int) -> [String: SourcedValue] {
        script.says([
            "learningRate": .number(rate), "batchSize": .integer(batch), "epochs": .integer(epochs),
            "maximumLength": .integer(length),
        ])
    }

    private static let fullTasks = ["mnli": run(rate: 5e-5, batch: 80, epochs: 10, length: 256)]
    private static let bitFitTasks = ["mnli": run(rate: 8e-4, batch: 100, epochs: 10, length: 256)]
    private static let adapterTasks = ["cola": run(rate: 8e-4, batch: 8, epochs: 20, length: 128)]

    private static let loraTasks: [String: [String: SourcedValue]] = {
        let answered: [(task: String, rate: Double, epochs: Int)] = [
            ("cola", 8e-5, 20), ("sst-2", 1e-4, 10), ("mrpc", 1e-4, 20), ("qqp", 3e-4, 10), ("sts-b", 1e-4, 20),
            ("mnli", 3e-4, 10), ("qnli", 3e-4, 10), ("rte", 1.2e-3, 50),
        ]
        var tasks: [String: [String: SourcedValue]] = [:]
        for (task, rate, epochs) in answered {
            tasks[task] = answer.says([
                "learningRate": .number(rate), "epochs": .integer(epochs), "batchSize": .integer(8),
            ])
        }
        // The answer has one batch size for all; the script's comment excepts RTE.
        tasks["rte"]?["batchSize"] = SourcedValue(.integer(32), script)
        tasks["mnli"]?["maximumLength"] = SourcedValue(.integer(256), script)
        return tasks
    }()

    private static let soraTasks = [
        "sts-b": run(rate: 8e-4, batch: 8, epochs: 20, length: 128).with(
            script.says(["sparsity": .number(3e-4), "l1Weight": .number(10), "schedule": .text("none")])
        ),
        "rte": run(rate: 1.2e-3, batch: 32, epochs: 50, length: 320).with(
            script.says([
                "sparsity": .number(0), "l1Weight": .number(0.001), "schedule": .text("linear"),
                "maximumSparsity": .number(7e-4), "stages": .integer(7),
            ])
        ),
    ]
}
