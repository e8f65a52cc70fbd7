import Sweeps
import Testing

@Suite struct GridTests {
    private var sweep = SweepDefinition(
        name: "s",
        backbone: "b",
        tasks: ["rte", "cola"],
        methods: [
            .init(label: "full", method: "full", settings: [:]),
            .init(label: "lora", method: "lora", settings: ["learningRate": .number(2)]),
        ],
        seeds: [3, 1]
    )

    @Test func `the order is methods, then tasks, then seeds as they are given`() throws {
        let names = try self.sweep.shards().map(\.name)
        #expect(
            names
                == [
                    "full" as String, "lora",
                ].flatMap { method in ["rte", "cola"].flatMap { task in [3, 1].map { "\(task)/\(method)/\($0)" } } }
        )
    }

    @Test func `later settings win: defaults, the method's own, overrides in their order`() throws {
        var sweep = self.sweep
        sweep.defaults = ["learningRate": .number(1), "epochs": .integer(7)]
        sweep.overrides = [
            .init(match: ["task": ["cola"]], set: ["learningRate": .number(3)]),
            .init(match: ["task": ["cola"], "seed": ["1"]], set: ["learningRate": .number(4)]),
            .init(match: ["task": ["rte"], "method": ["full"]], set: ["epochs": .integer(8)]),
        ]
        let rates = try values(of: "learningRate", in: sweep)
        #expect(rates["rte/full/3"] == .number(1))
        #expect(rates["rte/lora/3"] == .number(2))
        #expect(rates["cola/full/3"] == .number(3))
        #expect(rates["cola/lora/3"] == .number(3))
        #expect(rates["cola/lora/1"] == .number(4))
        let epochs = try values(of: "epochs", in: sweep)
        #expect(epochs["rte/full/1"] == .integer(8))
        #expect(epochs["cola/full/1"] == .integer(7))
        #expect(epochs["rte/lora/1"] == .integer(7))
    }

    @Test func `an override meets a method by its label or its name`() throws {
        var sweep = self.sweep
        sweep.methods = [
            .init(label: "small", method: "lora", settings: [:]), .init(label: "large", method: "lora", settings: [:]),
        ]
        sweep.overrides = [
            .init(match: ["method": ["lora"]], set: ["rank": .integer(2)]),
            .init(match: ["method": ["large"]], set: ["rank": .integer(32)]),
        ]
        let ranks = try values(of: "rank", in: sweep)
        #expect(ranks["rte/small/1"] == .integer(2))
        #expect(ranks["rte/large/1"] == .integer(32))
    }

    @Test func `settings of another method are not this one's`() throws {
        var sweep = self.sweep
        sweep.defaults = ["rank": .integer(2)]
        sweep.overrides = [.init(match: ["method": ["full", "lora"]], set: ["alpha": .number(2)])]
        let shards = try sweep.shards()
        #expect(
            shards.filter { $0.cell.method == "full" }.allSatisfy {
                $0.settings["rank"] == nil && $0.settings["alpha"] == nil
            }
        )
        #expect(shards.filter { $0.cell.method == "lora" }.allSatisfy { $0.settings["rank"] == .integer(2) })
    }

    /// Goal: of `warmupSteps` and `warmupRatio` the later one counts alone, also against the ratio's default.
    @Test func `steps and ratio of the warmup replace each other`() throws {
        var sweep = self.sweep
        sweep.defaults = ["warmupSteps": .integer(4)]
        sweep.overrides = [.init(match: ["task": ["cola"]], set: ["warmupRatio": .number(0.5)])]
        let shards = Dictionary(uniqueKeysWithValues: try sweep.shards().map { ($0.name, $0.settings) })
        let (steps, ratio) = (try #require(shards["rte/full/1"]), try #require(shards["cola/full/1"]))
        #expect(Hyperparameters(steps).warmup == .steps(4))
        #expect(steps["warmupRatio"] == nil)
        #expect(Hyperparameters(ratio).warmup == .ratio(0.5))
        #expect(ratio["warmupSteps"] == nil)
    }

    @Test func `every setting with a default is resolved, and what is read back is what was said`() throws {
        let settings = try #require(try self.sweep.shards().first).settings
        let hyperparameters = Hyperparameters(settings)
        #expect(hyperparameters.epochs == 3)
        #expect(hyperparameters.maximumSteps == nil)
        #expect(hyperparameters.batchSize == 32)
        #expect(hyperparameters.learningRate == 5e-5)
        #expect(hyperparameters.warmup == .ratio(0.06))
        #expect(hyperparameters.dropout == nil)
        #expect(hyperparameters.optimizer == .adamW)
        #expect(hyperparameters.splitProtocol == .fullDev)
        #expect(hyperparameters.checkpoint == .last)
        #expect(hyperparameters.shuffle)
    }

    @Test func `the split protocol decides which checkpoint is scored, unless the sweep does`() throws {
        var sweep = self.sweep
        sweep.defaults = ["protocol": .text("soraSplit42")]
        #expect(Hyperparameters(try sweep.shards()[0].settings).checkpoint == .best)
        sweep.defaults["checkpoint"] = .text("last")
        #expect(Hyperparameters(try sweep.shards()[0].settings).checkpoint == .last)
    }

    private func values(of setting: String, in sweep: SweepDefinition) throws -> [String: SettingValue] {
        Dictionary(
            uniqueKeysWithValues: try sweep.shards().compactMap { shard in
                shard.settings[setting].map { (shard.name, $0) }
            }
        )
    }
}

@Suite struct SettingTests {
    @Test(arguments: [
        ("epochs", "7", SettingValue.integer(7)), ("learningRate", "1e-3", .number(0.001)),
        ("dropout", "0", .number(0)),
        ("shuffle", "false", .flag(false)), ("optimizer", "adamW", .text("adamW")),
        ("targets", "value, query", .list(["query", "value"])), ("alpha", "16", .number(16)),
    ])
    func `values are read from a command line`(name: String, text: String, value: SettingValue) throws {
        #expect(try MethodDescription.named("lora").setting(name).read(text) == value)
    }

    @Test(arguments: [
        ("epochs", "x"), ("epochs", "0"), ("epochs", "1.0"), ("learningRate", "nan"), ("learningRate", "-1"),
        ("learningRate", "inf"), ("shuffle", "1"), ("optimizer", "adam"), ("targets", "query,query"), ("targets", ""),
    ])
    func `what is no value is refused, and the message says what is one`(name: String, text: String) throws {
        let setting = try MethodDescription.named("lora").setting(name)
        let error = #expect(throws: InvalidSetting.self) { try setting.read(text) }
        #expect(error?.description.hasPrefix("\(name) is \"") == true)
        #expect(error?.description.contains("; give ") == true)
    }

    @Test func `every default is a value of its setting`() throws {
        for setting in MethodDescription.all.flatMap(\.allSettings) {
            guard let value = setting.defaultValue else { continue }
            #expect(try setting.checked(value) == value, "\(setting.name)")
        }
    }

    /// Goal: settings that came later leave the keys of earlier shards as they are, said or not.
    @Test func `a later setting at its default is no setting`() throws {
        for method in MethodDescription.all {
            let later = method.allSettings.filter { !$0.isKeptAtDefault }
            #expect(later.map(\.name).contains("headTrainable"))
            let said = Dictionary(
                uniqueKeysWithValues: later.compactMap { one in one.defaultValue.map { (one.name, $0) } }
            )
            #expect(try method.resolve(said) == method.resolve([:]))
            #expect(try method.resolve(["headTrainable": .flag(false)])["headTrainable"] == .flag(false))
        }
    }

    @Test func `another method's setting is told as such`() throws {
        let error = #expect(throws: UnknownName.self) { try MethodDescription.named("full").setting("rank") }
        #expect(error?.kind == "hyperparameter of full (it belongs to lora, sora)")
    }
}
