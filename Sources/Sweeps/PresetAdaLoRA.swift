// AdaLoRA (Zhang et al. 2023, arXiv:2303.10512) on DeBERTaV3-base: the paper's Table 8, and the scripts of its release.

extension Preset {
    /// The paper's values; what only its release says is the release's.
    ///
    /// The regulariser too: the paper writes a sum of squared norms, but its γ belong to the code's mean of norms. Ranks
    /// are those of the largest budget, 576; for 288 and 144 the initial rank is 6 and 4, and the target 4 and 2.
    static let adaLoRAPaper = Preset(
        name: "adalora-paper",
        places: "the AdaLoRA paper's Tables 7 and 8, and the release's scripts",
        methods: [
            MethodValues(
                method: "adalora",
                common: release.with(
                    paper("section 4.1").says(["beta1Importance": .number(0.85), "beta2Importance": .number(0.85)]),
                    paper("Table 1").says(["protocol": .text("fullDev")]),
                    paper("App. C.1").says([
                        "initialRank": .integer(12), "targetRank": .integer(8),
                        "targets": .list(MethodDescription.linearLayers),
                    ])
                ),
                tasks: table.mapValues { row in row.repo.without("initialRank", "targetRank").with(row.paper) },
                needed: needed
            )
        ]
    )

    /// The release's scripts, which end at a rank of 1: a budget that no row of the paper's table has.
    static let adaLoRARepo = Preset(
        name: "adalora-repo",
        places: "the scripts of AdaLoRA's release",
        methods: [
            MethodValues(method: "adalora", common: release, tasks: table.mapValues(\.repo), needed: needed)
        ]
    )

    private static let needed = [
        "learningRate", "batchSize", "epochs", "maximumLength", "warmupSteps", "weightDecay", "classifierDropout",
        "initialRank", "targetRank", "alpha", "initialSteps", "finalSteps", "interval", "orthogonalWeight",
    ]

    /// What all scripts and the code behind them have alike.
    private static let release = SettingSource(.repo).says([
        "optimizer": .text("adamWTransformers"), "adamEpsilon": .number(1e-8), "beta1": .number(0.9),
        "beta2": .number(0.999), "gradientClip": .number(1), "decayEnd": .text("lastStep"), "shuffle": .flag(true),
        "protocol": .text("fullDev"), "checkpoint": .text("last"), "selection": .text("metric"),
        "headTrainable": .flag(true), "targets": .list(MethodDescription.linearLayers), "loraDropout": .number(0),
        "orthogonalForm": .text("normMean"), "beta1Importance": .number(0.85), "beta2Importance": .number(0.85),
        "countingRule": .text("published"),
    ])

    private static func paper(_ place: String) -> SettingSource { SettingSource(.paper, place) }

    /// One line of the paper's Table 8 and the script of the same task; two values where they differ.
    private struct Row {
        let (paperRate, repoRate): (Double, Double)
        let epochs: Int
        let (paperGamma, repoGamma): (Double, Double)
        let (initialSteps, interval, finalSteps): (Int, Int, Int)
        let initialRank: Int
        let alpha: Double
        let length: Int
        let warmup: Hyperparameters.Warmup
        let dropout: Double
        let decay: Double
        let evaluationInterval: Int

        init(
            _ rates: (paper: Double, repo: Double),
            _ epochs: Int,
            _ gammas: (paper: Double, repo: Double),
            _ steps: (Int, Int, Int),
            _ rest: (Int, Double, Int, Hyperparameters.Warmup, Double, Double, Int)
        ) {
            (self.paperRate, self.repoRate) = rates
            self.epochs = epochs
            (self.paperGamma, self.repoGamma) = gammas
            (self.initialSteps, self.interval, self.finalSteps) = steps
            (
                self.initialRank, self.alpha, self.length, self.warmup, self.dropout, self.decay,
                self.evaluationInterval
            ) = rest
        }

        var paper: [String: SourcedValue] {
            SettingSource(.paper, "Table 8").says([
                "learningRate": .number(self.paperRate), "orthogonalWeight": .number(self.paperGamma),
                "batchSize": .integer(32), "epochs": .integer(self.epochs), "initialSteps": .integer(self.initialSteps),
                "interval": .integer(self.interval), "finalSteps": .integer(self.finalSteps),
            ])
        }

        var repo: [String: SourcedValue] {
            var settings: Settings = [
                "learningRate": .number(self.repoRate), "orthogonalWeight": .number(self.repoGamma),
                "batchSize": .integer(32), "epochs": .integer(self.epochs), "initialSteps": .integer(self.initialSteps),
                "interval": .integer(self.interval), "finalSteps": .integer(self.finalSteps),
                "initialRank": .integer(self.initialRank), "targetRank": .integer(1), "alpha": .number(self.alpha),
                "maximumLength": .integer(self.length), "classifierDropout": .number(self.dropout),
                "weightDecay": .number(self.decay), "evaluationInterval": .integer(self.evaluationInterval),
            ]
            switch self.warmup {
            case .steps(let steps): settings["warmupSteps"] = .integer(steps)
            case .ratio(let ratio): settings["warmupRatio"] = .number(ratio)
            }
            return SettingSource(.repo).says(settings)
        }
    }

    // Of the paper and the release: rate; epochs; γ of both; tinit, ΔT, tfinal. Of the release: initial rank, α, length,
    // warmup, dropout before the classifier, weight decay, steps between evaluations.
    // swift-format-ignore
    private static let table: [String: Row] = [
        "mnli":  Row((5e-4, 5e-4),      7, (0.1, 0.1), (8000, 100, 50000), (3, 16, 256, .steps(1000), 0.15, 0, 3000)),
        "rte":   Row((1.2e-3, 1.2e-3), 50, (0.3, 0.3), (600, 1, 1800),      (2, 32, 320, .steps(200), 0.2, 0.01, 100)),
        "qnli":  Row((1.2e-3, 5e-4),    5, (0.1, 0.1), (2000, 100, 8000),   (2, 32, 512, .steps(500), 0.1, 0.01, 1000)),
        "mrpc":  Row((1e-3, 1e-3),     30, (0.1, 0.1), (600, 1, 1800),      (2, 32, 320, .ratio(0.1), 0, 0.01, 300)),
        "qqp":   Row((5e-4, 8e-4),      5, (0.1, 0.1), (8000, 100, 25000), (2, 16, 320, .steps(2000), 0.15, 0.01, 3000)),
        "sst-2": Row((8e-4, 8e-4),     24, (0.1, 0.1), (6000, 100, 22000), (2, 16, 128, .steps(1000), 0, 0.01, 3000)),
        "cola":  Row((5e-4, 8e-4),     25, (0.5, 0.1), (800, 10, 3500),     (3, 32, 64, .steps(100), 0.1, 0, 100)),
        "sts-b": Row((2.2e-3, 2.2e-3), 25, (0.1, 0.3), (800, 10, 2000),     (2, 32, 128, .steps(100), 0.2, 0.1, 100)),
    ]
}
