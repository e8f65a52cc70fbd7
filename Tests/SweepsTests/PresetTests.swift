import Digests
import Sweeps
import Testing

/// The presets against the papers' tables and the releases' scripts, written out here once more.
@Suite struct PresetTests {
    /// Of AdaLoRA: the paper's Table 8 beside the scripts of its release. Where they differ, both.
    private struct AdaLoRARow: CustomTestStringConvertible {
        let task: String
        let rates: (Double, Double)
        let epochs: Int
        let gammas: (Double, Double)
        let (initialSteps, interval, finalSteps): (Int, Int, Int)
        let initialRank: Int
        let alpha: Double
        let length: Int
        let warmup: Hyperparameters.Warmup
        let dropout: Double
        let decay: Double
        let evaluationInterval: Int
        /// As many optimizer steps as the run has.
        let steps: Int

        var testDescription: String { self.task }
    }

    // swift-format-ignore
    private static let adaLoRA = [
        AdaLoRARow(task: "mnli", rates: (5e-4, 5e-4), epochs: 7, gammas: (0.1, 0.1), initialSteps: 8000, interval: 100,
                   finalSteps: 50_000, initialRank: 3, alpha: 16, length: 256, warmup: .steps(1000), dropout: 0.15,
                   decay: 0, evaluationInterval: 3000, steps: 85_904),
        AdaLoRARow(task: "rte", rates: (1.2e-3, 1.2e-3), epochs: 50, gammas: (0.3, 0.3), initialSteps: 600, interval: 1,
                   finalSteps: 1800, initialRank: 2, alpha: 32, length: 320, warmup: .steps(200), dropout: 0.2,
                   decay: 0.01, evaluationInterval: 100, steps: 3900),
        AdaLoRARow(task: "qnli", rates: (1.2e-3, 5e-4), epochs: 5, gammas: (0.1, 0.1), initialSteps: 2000, interval: 100,
                   finalSteps: 8000, initialRank: 2, alpha: 32, length: 512, warmup: .steps(500), dropout: 0.1,
                   decay: 0.01, evaluationInterval: 1000, steps: 16_370),
        AdaLoRARow(task: "mrpc", rates: (1e-3, 1e-3), epochs: 30, gammas: (0.1, 0.1), initialSteps: 600, interval: 1,
                   finalSteps: 1800, initialRank: 2, alpha: 32, length: 320, warmup: .ratio(0.1), dropout: 0,
                   decay: 0.01, evaluationInterval: 300, steps: 3450),
        AdaLoRARow(task: "qqp", rates: (5e-4, 8e-4), epochs: 5, gammas: (0.1, 0.1), initialSteps: 8000, interval: 100,
                   finalSteps: 25_000, initialRank: 2, alpha: 16, length: 320, warmup: .steps(2000), dropout: 0.15,
                   decay: 0.01, evaluationInterval: 3000, steps: 56_855),
        AdaLoRARow(task: "sst-2", rates: (8e-4, 8e-4), epochs: 24, gammas: (0.1, 0.1), initialSteps: 6000, interval: 100,
                   finalSteps: 22_000, initialRank: 2, alpha: 16, length: 128, warmup: .steps(1000), dropout: 0,
                   decay: 0.01, evaluationInterval: 3000, steps: 50_520),
        AdaLoRARow(task: "cola", rates: (5e-4, 8e-4), epochs: 25, gammas: (0.5, 0.1), initialSteps: 800, interval: 10,
                   finalSteps: 3500, initialRank: 3, alpha: 32, length: 64, warmup: .steps(100), dropout: 0.1,
                   decay: 0, evaluationInterval: 100, steps: 6700),
        AdaLoRARow(task: "sts-b", rates: (2.2e-3, 2.2e-3), epochs: 25, gammas: (0.1, 0.3), initialSteps: 800,
                   interval: 10, finalSteps: 2000, initialRank: 2, alpha: 32, length: 128, warmup: .steps(100),
                   dropout: 0.2, decay: 0.1, evaluationInterval: 100, steps: 4500),
    ]

    @Test(arguments: adaLoRA.indices)
    func `AdaLoRA's presets are its paper's table and its release's scripts`(index: Int) throws {
        let row = Self.adaLoRA[index]
        let (paper, paperSources) = try self.resolved("adalora-paper", "adalora", row.task)
        let (repo, repoSources) = try self.resolved("adalora-repo", "adalora", row.task)
        for (settings, rate, gamma, ranks) in [
            (paper, row.rates.0, row.gammas.0, (12, 8)), (repo, row.rates.1, row.gammas.1, (row.initialRank, 1)),
        ] {
            let run = Hyperparameters(settings)
            let own = ResolvedSettings(settings)
            #expect(run.learningRate == rate)
            #expect(own.number("orthogonalWeight") == gamma)
            #expect(own.integer("initialRank") == ranks.0)
            #expect(own.integer("targetRank") == ranks.1)
            #expect(run.epochs == row.epochs)
            #expect(run.batchSize == 32)
            #expect(own.integer("initialSteps") == row.initialSteps)
            #expect(own.integer("interval") == row.interval)
            #expect(own.integer("finalSteps") == row.finalSteps)
            #expect(own.number("alpha") == row.alpha)
            #expect(run.maximumLength == row.length)
            #expect(run.warmup == row.warmup)
            #expect(run.classifierDropout == row.dropout)
            #expect(run.weightDecay == row.decay)
            #expect(run.evaluationInterval == row.evaluationInterval)
            #expect(own.number("beta1Importance") == 0.85 && own.number("beta2Importance") == 0.85)
            #expect(run.optimizer == .adamWTransformers && run.gradientClip == 1 && run.dropout == nil)
            #expect(run.splitProtocol == .fullDev && run.checkpoint == .last && run.headTrainable)
            #expect(own.integer("initialSteps") + own.integer("finalSteps") < row.steps)
        }
        let table = [
            "learningRate", "batchSize", "epochs", "orthogonalWeight", "initialSteps", "interval", "finalSteps",
        ]
        #expect(table.allSatisfy { paperSources[$0] == SettingSource(.paper, "Table 8") })
        #expect(["maximumLength", "alpha", "weightDecay"].allSatisfy { paperSources[$0] == SettingSource(.repo) })
        #expect(paperSources["initialRank"] == SettingSource(.paper, "App. C.1"))
        #expect(repoSources.values.allSatisfy { $0.origin == .repo })
    }

    private struct SoRARow: CustomTestStringConvertible {
        let method: String
        let task: String
        let rate: Double
        let batch: Int
        let epochs: Int
        let length: Int
        let own: Settings

        var testDescription: String { "\(self.method) \(self.task)" }
    }

    private static let six: SettingValue = .list(["query", "key", "value", "attentionOutput", "intermediate", "output"])

    /// One line of the release's scripts each.
    private static let soRA = [
        SoRARow(
            method: "sora",
            task: "sts-b",
            rate: 8e-4,
            batch: 8,
            epochs: 20,
            length: 128,
            own: [
                "rank": .integer(8), "l1Weight": .number(10), "sparsity": .number(3e-4), "schedule": .text("none"),
                "proximal": .text("repo"), "targets": six, "alpha": .number(16),
            ]
        ),
        SoRARow(
            method: "sora",
            task: "rte",
            rate: 1.2e-3,
            batch: 32,
            epochs: 50,
            length: 320,
            own: [
                "rank": .integer(8), "l1Weight": .number(0.001), "sparsity": .number(0), "schedule": .text("linear"),
                "maximumSparsity": .number(7e-4), "stages": .integer(7), "stageEpochs": .integer(15),
                "stageLearningRate": .text("spent"), "gateEpsilon": .number(1e-6),
            ]
        ),
        SoRARow(
            method: "lora",
            task: "mnli-mm",
            rate: 3e-4,
            batch: 8,
            epochs: 10,
            length: 256,
            own: ["rank": .integer(16), "targets": .list(["query", "value"]), "alpha": .number(16)]
        ),
        SoRARow(
            method: "houlsby",
            task: "cola",
            rate: 8e-4,
            batch: 8,
            epochs: 20,
            length: 128,
            own: [
                "bottleneck": .integer(16), "placement": .text("linear"), "activation": .text("geluNew"),
                "targets": .list(["attentionOutput", "output"]), "initialDeviation": .number(0.01),
            ]
        ),
        SoRARow(
            method: "bitfit",
            task: "mnli-m",
            rate: 8e-4,
            batch: 100,
            epochs: 10,
            length: 256,
            own: ["intermediateBias": .flag(false)]
        ),
        SoRARow(method: "full", task: "mnli-m", rate: 5e-5, batch: 80, epochs: 10, length: 256, own: [:]),
    ]

    @Test(arguments: soRA.indices)
    func `SoRA's preset of the release is its scripts`(index: Int) throws {
        let row = Self.soRA[index]
        let (settings, _) = try self.resolved("sora-repo", row.method, row.task)
        let run = Hyperparameters(settings)
        #expect(run.learningRate == row.rate)
        #expect(run.batchSize == row.batch)
        #expect(run.epochs == row.epochs)
        #expect(run.maximumLength == row.length)
        #expect(row.own.allSatisfy { settings[$0.key] == $0.value }, "\(settings)")
        #expect(run.weightDecay == 0.1 && run.warmup == .ratio(0.06) && run.gradientClip == 0.1)
        #expect(run.evaluationInterval == 1000 && run.checkpoint == .best && run.splitProtocol == .soraSplit42)
        #expect(run.optimizer == .adamWTransformers && run.decayEnd == .truncated)
        #expect(run.headTrainable == (row.method == "full"))
    }

    @Test(arguments: [
        ("cola", 8e-5, 20, 8), ("sst-2", 1e-4, 10, 8), ("mrpc", 1e-4, 20, 8), ("qqp", 3e-4, 10, 8),
        ("sts-b", 1e-4, 20, 8), ("mnli", 3e-4, 10, 8), ("qnli", 3e-4, 10, 8), ("rte", 1.2e-3, 50, 32),
    ])
    func `LoRA beside SoRA has the rates and epochs that its authors gave`(
        task: String,
        rate: Double,
        epochs: Int,
        batch: Int
    ) throws {
        for (name, rank, targets) in [
            ("sora-repo", 16, SettingValue.list(["query", "value"])), ("sora-paper", 8, Self.six),
        ] {
            let values = try Preset.named(name).values(method: "lora", task: task)
            #expect(values["learningRate"] == SourcedValue(.number(rate), SettingSource(.issue, "SoRA#4")))
            #expect(values["epochs"] == SourcedValue(.integer(epochs), SettingSource(.issue, "SoRA#4")))
            #expect(values["batchSize"]?.value == .integer(batch))
            #expect(values["batchSize"]?.source.origin == (task == "rte" ? .repo : .issue))
            #expect(values["rank"]?.value == .integer(rank))
            #expect(values["targets"]?.value == targets)
            #expect(values["rank"]?.source.origin == (name == "sora-repo" ? .repo : .paper))
        }
    }

    @Test func `SoRA's paper has shapes and a threshold, and no sparsity`() throws {
        let preset = try Preset.named("sora-paper")
        let adapter = try preset.values(method: "houlsby", task: "cola")
        #expect(adapter["bottleneck"]?.value == .integer(8) && adapter["bottleneck"]?.source.origin == .paper)
        #expect(adapter["targets"]?.value == Self.six && adapter["placement"]?.value == .text("linear"))
        let sora = try preset.values(method: "sora", task: "sts-b")
        #expect(sora["proximal"]?.value == .text("paper") && sora["l1Weight"]?.value == .number(0))
        #expect(try preset.missing(method: "sora", task: "sts-b") == ["sparsity", "schedule"])
        #expect(try preset.missing(method: "sora", task: "sts-b", given: ["sparsity": .number(1)]) == ["schedule"])
    }

    @Test func `ALoRA's preset is its paper's settings, and says what the paper leaves open`() throws {
        let open: Settings = [
            "maximumLength": .integer(128), "alpha": .number(16), "initialization": .text("kaimingUniform"),
            "loraDropout": .number(0), "headTrainable": .flag(true), "prunedRanks": .integer(6),
            "scope": .text("network"), "scaling": .text("initial"), "momentReset": .text("ranks"),
            "maximumRank": .integer(32),
        ]
        let preset = try Preset.named("alora-paper")
        #expect(Set(try preset.missing(method: "alora", task: "rte")) == Set(open.keys))
        for (task, batch) in [("rte", 16), ("boolq", 16), ("sst-2", 128), ("qnli", 128)] {
            let given = try preset.settings(method: "alora", task: task, replacedBy: open)
            let settings = try MethodDescription.named("alora").resolve(given)
            let run = Hyperparameters(settings)
            #expect(run.batchSize == batch && run.learningRate == 1e-4 && run.epochs == 10)
            #expect(run.warmup == .ratio(0.06) && run.evaluationInterval == 200 && run.patience == 10)
            #expect(run.selection == .loss && run.checkpoint == .best && run.optimizer == .adamW)
            let own = ResolvedSettings(settings)
            #expect(own.integer("initialRank") == 8 && own.integer("rounds") == 8)
            #expect(own.number("firstEpochs") == 1 && own.number("roundEpochs") == 0.25)
            #expect(own.integer("importanceExamples") == 32)
        }
        let adaLoRA = try preset.values(method: "adalora", task: "rte")
        #expect(adaLoRA["initialRank"]?.value == .integer(16) && adaLoRA["targetRank"]?.value == .integer(8))
        #expect(try preset.values(method: "sora", task: "rte")["rank"]?.value == .integer(16))
    }

    /// Goal: a preset is only what was published, in values that its methods can have.
    @Test(arguments: Preset.all.map(\.name))
    func `a preset holds nothing of ours and nothing that its method cannot have`(name: String) throws {
        let preset = try Preset.named(name)
        for method in preset.methodNames {
            let description = try MethodDescription.named(method)
            for task in TaskDescription.all.map(\.name) {
                let values = try preset.values(method: method, task: task)
                for (name, sourced) in values {
                    #expect(sourced.source.origin != .ours, "\(name)")
                    #expect(try description.setting(name).checked(sourced.value) == sourced.value)
                }
                #expect(Set(values.keys).isDisjoint(with: try preset.missing(method: method, task: task)))
                for missing in try preset.missing(method: method, task: task) {
                    #expect(throws: Never.self) { try description.setting(missing) }
                }
            }
            #expect(
                try preset.values(method: method, task: "mnli-mm") == preset.values(method: method, task: "mnli")
            )
        }
    }

    @Test func `what a preset does not know is an error that says so, until somebody says it`() throws {
        let preset = try Preset.named("sora-repo")
        let error = #expect(throws: PresetError.self) { try preset.settings(method: "sora", task: "cola") }
        #expect(
            error?.description
                == "preset sora-repo does not know learningRate, batchSize, epochs, maximumLength, sparsity, l1Weight, "
                + "schedule of sora for cola (looked for in the scripts of SoRA's release and its issues 3 and 4); "
                + "give what you choose yourself"
        )
        let given = try preset.settings(
            method: "lora",
            task: "cola",
            replacedBy: ["maximumLength": .integer(64), "epochs": .integer(1), "warmupSteps": .integer(7)]
        )
        #expect(given["maximumLength"] == .integer(64))
        #expect(given["epochs"] == .integer(1))
        #expect(given["learningRate"] == .number(8e-5))
        #expect(given["warmupRatio"] == nil && given["warmupSteps"] == .integer(7))
    }

    @Test func `a preset without its schedule has no last sparsity either`() throws {
        let given = try Preset.named("sora-repo").settings(
            method: "sora",
            task: "rte",
            replacedBy: ["schedule": .text("none")]
        )
        #expect(given["maximumSparsity"] == nil)
        #expect(throws: Never.self) { try MethodDescription.named("sora").resolve(given) }
    }

    @Test func `a preset is for its own methods, and names are told`() throws {
        let error = #expect(throws: PresetError.self) {
            try Preset.named("adalora-repo").values(method: "lora", task: "rte")
        }
        #expect(
            error?.description
                == "preset adalora-repo is for adalora, not for lora; for that there is sora-paper, sora-repo, "
                + "alora-paper"
        )
        let unknown = #expect(throws: UnknownName.self) { try Preset.named("sora-papr") }
        #expect(unknown?.description == "unknown preset \"sora-papr\"; did you mean \"sora-paper\"?")
    }

    private func resolved(
        _ preset: String,
        _ method: String,
        _ task: String
    ) throws -> (Settings, [String: SettingSource]) {
        let preset = try Preset.named(preset)
        let settings = try MethodDescription.named(method).resolve(preset.settings(method: method, task: task))
        return (settings, try preset.values(method: method, task: task).mapValues(\.source))
    }
}
