import Digests
import Sweeps
import Testing

/// Where a grid's values come from.
@Suite struct CellPlanTests {
    /// Goal: each rule replaces what those before it set, and its source goes with the value.
    @Test func `a value is the last rule's: built in, defaults, preset, method, overrides`() throws {
        let plans = try self.grid(
            """
            methods: [lora: {preset: sora-repo, rank: 4, source: ours small}]
            defaults: {epochs: 3, gradientClip: 2, maximumLength: 100, source: paper}
            overrides:
              - match: {task: rte}
                set: {alpha: 8}
                source: issue X#1
              - match: {method: lora}
                set: {batchSize: 64}
            """
        ).cellPlans()
        #expect(plans.count == 1 && plans.first?.seeds == [0, 1] && plans.first?.preset == "sora-repo")
        let values = try self.values(plans[0])
        func check(_ name: String, _ value: SettingValue, _ rule: SettingRule, _ source: SettingSource?) {
            let found = values[name]
            #expect(found?.value == value && found?.rule == rule && found?.source == source, "\(name): \(found as Any)")
        }
        check("beta1", .number(0.9), .preset("sora-repo"), SettingSource(.repo))
        check("checkpointSeconds", .number(60), .builtIn, nil)
        check("maximumLength", .integer(100), .defaults, SettingSource(.paper))
        check("gradientClip", .number(0.1), .preset("sora-repo"), SettingSource(.repo))
        check("epochs", .integer(50), .preset("sora-repo"), SettingSource(.issue, "SoRA#4"))
        check("rank", .integer(4), .method, SettingSource(.ours, "small"))
        check("alpha", .number(8), .override(1, line: 7), SettingSource(.issue, "X#1"))
        check("batchSize", .integer(64), .override(2, line: 10), SettingSource(.ours))
        #expect(SettingRule.override(2, line: 10).description == "override 2 (line 10)")
    }

    @Test func `what the plan says is what the shards have`() throws {
        let sweep = try self.grid(
            "methods: [full, sora: {preset: sora-repo}, adalora: {preset: adalora-paper}]\nseeds: 1"
        )
        let shards = try sweep.shards()
        let plans = try sweep.cellPlans()
        #expect(shards.map(\.cell) == plans.map(\.cell))
        for (shard, plan) in zip(shards, plans) {
            let values = try self.values(plan).mapValues(\.value)
            #expect(shard.settings.allSatisfy { values[$0.key] == $0.value })
            // Beside them only later settings at their defaults, which no shard keeps.
            let method = try MethodDescription.named(plan.cell.method)
            #expect(
                try method.resolve(values.filter { $0.key != "warmupRatio" || values["warmupSteps"] == nil })
                    == shard.settings
            )
        }
    }

    @Test func `the checkpoint that follows from the protocol has the protocol's source`() throws {
        let sweep = try self.grid("methods: full\ndefaults: {protocol: soraSplit42, source: repo}")
        let checkpoint = try self.values(try sweep.cellPlans()[0])["checkpoint"]
        #expect(checkpoint?.value == .text("best") && checkpoint?.rule == .follows("protocol"))
        #expect(checkpoint?.source == SettingSource(.repo))
    }

    @Test func `seeds with other overrides are apart, unless these are other methods'`() throws {
        let plans = try self.grid(
            """
            methods: [full, lora]
            seeds: [5, 6, 7]
            overrides:
              - match: {seed: 6}
                set: {rank: 2}
            """
        ).cellPlans()
        #expect(
            plans.map { [$0.cell.label] + $0.seeds.map(String.init) } == [
                ["full", "5", "6", "7"], ["lora", "5", "7"], ["lora", "6"],
            ]
        )
    }

    @Test func `of two ways to give a warmup the later one replaces the preset's`() throws {
        let sweep = try self.grid("methods: [adalora: {preset: adalora-repo, warmupRatio: 0.2}]")
        let values = try self.values(try sweep.cellPlans()[0])
        #expect(values["warmupSteps"] == nil && values["warmupRatio"]?.value == .number(0.2))
    }

    /// Goal: results are filed under values, whoever said them.
    @Test func `a shard's key does not depend on where its values come from`() throws {
        let preset = try self.keys(of: self.grid("methods: [adalora: {preset: adalora-repo}]"))
        let values = try Preset.named("adalora-repo").settings(method: "adalora", task: "rte")
        var sweep = try self.grid("methods: [adalora]")
        sweep.methods[0].settings = values
        #expect(try self.keys(of: sweep) == preset)
        sweep.methods[0].settings = [:]
        sweep.defaults = values
        sweep.defaultsSource = SettingSource(.paper)
        #expect(try self.keys(of: sweep) == preset)
        sweep.defaults["alpha"] = .number(31)
        #expect(try self.keys(of: sweep) != preset)
    }

    @Test func `cells with values of ours are told`() throws {
        let sweep = try self.grid(
            """
            methods: [full, lora: {rank: 4, source: ours}]
            tasks: [rte, cola]
            overrides:
              - match: {task: cola, seed: 1}
                set: {learningRate: 1e-3}
                source: ours
              - match: {method: full}
                set: {checkpointSeconds: 7}
                source: ours it decides nothing
              - match: {method: lora, task: rte}
                set: {rank: 8}
                source: paper
            """
        )
        let own = try sweep.cellsWithOwnValues()
        #expect(Set(own.map { "\($0.task)/\($0.label)" }) == ["cola/full", "cola/lora"])
    }

    private func grid(_ yaml: String) throws -> SweepDefinition {
        let tasks = yaml.contains("tasks:") ? "" : "tasks: rte\n"
        let seeds = yaml.contains("seeds:") ? "" : "\nseeds: 2"
        return try SweepDefinition(yaml: "sweep: s\nbackbone: b\n\(tasks)" + yaml + seeds, file: "g.yaml")
    }

    private func values(_ plan: CellPlan) throws -> [String: PlannedValue] {
        Dictionary(uniqueKeysWithValues: plan.values.map { ($0.name, $0) })
    }

    private func keys(of sweep: SweepDefinition) throws -> [ShardKey] {
        try sweep.shards().map { try $0.shard(backbone: SHA256.hash("b"), data: SHA256.hash("d")).key }
    }
}

@Suite struct SettingSourceTests {
    @Test(arguments: [
        ("paper", SettingSource(.paper)), ("issue SoRA#4", SettingSource(.issue, "SoRA#4")),
        ("ours  after a look at the dev set ", SettingSource(.ours, "after a look at the dev set")),
        ("repo \(String(repeating: "x", count: 195))", SettingSource(.repo, String(repeating: "x", count: 195))),
    ])
    func `a source is who says it, and where`(text: String, source: SettingSource) throws {
        #expect(try SettingSource(reading: text) == source)
        #expect(try SettingSource(reading: "\(source)") == source)
    }

    @Test(arguments: ["", "papers", "Paper", "Table 8", "ours\nnot", "repo \(String(repeating: "x", count: 196))"])
    func `what is no source is refused`(text: String) {
        #expect(throws: InvalidSetting.self) { try SettingSource(reading: text) }
    }
}
