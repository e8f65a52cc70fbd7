import Sweeps
import Testing

@Suite struct SweepFileTests {
    @Test func `a whole grid`() throws {
        let sweep = try SweepDefinition(
            yaml: """
                sweep: quickstart
                backbone: all-minilm-l6-v2
                tasks: [movie-reviews]
                methods:
                  - full
                  - lora: {rank: 8, alpha: 16}
                  - bitfit
                seeds: 5                       # 0…4, or a list
                defaults: {epochs: 1, batchSize: 32, learningRate: 1e-3, warmupRatio: 0.06}
                overrides:
                  - match: {method: full}
                    set: {learningRate: 1e-4}
                """,
            file: "grid.yaml"
        )
        let expected = SweepDefinition(
            name: "quickstart",
            backbone: "all-minilm-l6-v2",
            tasks: ["movie-reviews"],
            methods: [
                .init(label: "full", method: "full", settings: [:]),
                .init(label: "lora", method: "lora", settings: ["rank": .integer(8), "alpha": .number(16)]),
                .init(label: "bitfit", method: "bitfit", settings: [:]),
            ],
            seeds: [0, 1, 2, 3, 4],
            defaults: [
                "epochs": .integer(1), "batchSize": .integer(32), "learningRate": .number(1e-3),
                "warmupRatio": .number(0.06),
            ],
            overrides: [.init(match: ["method": ["full"]], set: ["learningRate": .number(1e-4)], line: 11)]
        )
        #expect(sweep == expected)
    }

    @Test func `one value stands for a list of one, and seeds are five unless given`() throws {
        let sweep = try grid("tasks: RTE\nmethods: lora")
        #expect(sweep.tasks == ["rte"])
        #expect(sweep.methods.map(\.method) == ["lora"])
        #expect(sweep.seeds == [0, 1, 2, 3, 4])
    }

    @Test func `a grid may say what its shards need and how it shares the workers`() throws {
        let plain = try grid("tasks: rte\nmethods: full")
        #expect(plain.priority == nil && plain.weight == nil && plain.kernelClass == nil)
        #expect(plain.needs == SweepDefinition.Needs())
        let sweep = try grid(
            "tasks: rte\nmethods: full\npriority: -2\nweight: 3\nkernelClass: Haswell\n"
                + "needs: {labels: [lab, fast], memory: 1.5 GiB}"
        )
        #expect(sweep.priority == -2 && sweep.weight == 3 && sweep.kernelClass == "Haswell")
        #expect(sweep.needs == SweepDefinition.Needs(labels: ["lab", "fast"], memoryBytes: 3 << 29))
        #expect(try grid("tasks: rte\nmethods: full\nneeds: {memory: 512 MiB}").needs.memoryBytes == 512 << 20)
    }

    @Test(arguments: [("3", [0, 1, 2]), ("[7, 3, 4294967295]", [7, 3, 4_294_967_295]), ("[0]", [0]), ("1", [0])])
    func `seeds are a number or a list`(written: String, seeds: [Int]) throws {
        #expect(try grid("tasks: rte\nmethods: full\nseeds: \(written)").seeds == seeds)
    }

    @Test func `methods that stand twice are told apart by their settings`() throws {
        let sweep = try grid("tasks: rte\nmethods: [lora: {rank: 4}, lora: {rank: 8, alpha: 2}, lora, full]")
        #expect(sweep.methods.map(\.label) == ["lora rank=4", "lora alpha=2 rank=8", "lora", "full"])
        #expect(sweep.methods.map(\.method) == ["lora", "lora", "lora", "full"])
    }

    @Test func `a method may have a label of its own`() throws {
        let sweep = try grid("tasks: rte\nmethods: [lora: {label: small, rank: 4}, lora: {rank: 8}]")
        #expect(sweep.methods.map(\.label) == ["small", "lora"])
        #expect(sweep.methods[0].settings == ["rank": .integer(4)])
    }

    @Test func `settings may say who says them, and a method may have a preset`() throws {
        let sweep = try grid(
            """
            tasks: [sts-b]
            methods:
              - sora: {preset: sora-repo, alpha: 8, source: issue SoRA#4}
              - sora: {preset: sora-repo, label: other}
              - lora
            defaults: {epochs: 2, maximumLength: 9, source: ours}
            overrides:
              - match: {method: lora}
                set: {rank: 2}
                source: paper Table 8, third row
            """
        )
        #expect(
            sweep.methods == [
                .init(
                    label: "sora",
                    method: "sora",
                    settings: ["alpha": .number(8)],
                    preset: "sora-repo",
                    source: SettingSource(.issue, "SoRA#4")
                ),
                .init(label: "other", method: "sora", settings: [:], preset: "sora-repo"),
                .init(label: "lora", method: "lora", settings: [:]),
            ]
        )
        #expect(sweep.defaults == ["epochs": .integer(2), "maximumLength": .integer(9)])
        #expect(sweep.defaultsSource == SettingSource(.ours))
        #expect(sweep.overrides[0].source == SettingSource(.paper, "Table 8, third row"))
    }

    @Test func `methods that stand twice are told apart by their presets`() throws {
        let methods = "[adalora: {preset: adalora-repo}, adalora: {preset: adalora-paper}]"
        let sweep = try grid("tasks: rte\nmethods: \(methods)")
        #expect(sweep.methods.map(\.label) == ["adalora adalora-repo", "adalora adalora-paper"])
    }

    @Test func `lists of names are values`() throws {
        let sweep = try grid("tasks: rte\nmethods: [lora: {targets: [value, query]}]")
        #expect(sweep.methods[0].settings == ["targets": .list(["query", "value"])])
    }

    private static let head = "sweep: s\nbackbone: b\n"

    /// A grid with its mistake, and the whole message. The first two lines are ``head``'s.
    static let mistakes: [(yaml: String, message: String)] = [
        ("task: rte\nmethods: full", "g.yaml:3:1: unknown key of a grid \"task\"; did you mean \"tasks\"?"),
        (
            "epochs: 3\ntasks: rte\nmethods: full",
            "g.yaml:3:1: unknown key of a grid \"epochs\"; known: sweep, backbone, tasks, methods, seeds, defaults, "
                + "overrides, priority, weight, needs, kernelClass; a hyperparameter belongs under defaults"
        ),
        ("methods: full", "g.yaml: tasks is missing; add \"tasks: …\""),
        ("tasks: [cola, rta]\nmethods: full", "g.yaml:3:15: unknown task \"rta\"; did you mean \"rte\"?"),
        ("tasks: [rte, RTE]\nmethods: full", "g.yaml:3:14: task rte is given twice; keep one"),
        ("tasks: []\nmethods: full", "g.yaml:3:8: tasks is an empty list; give at least one"),
        ("tasks: {rte: 1}\nmethods: full", "g.yaml:3:8: tasks must be a list"),
        ("tasks: [[rte]]\nmethods: full", "g.yaml:3:9: a task must be a single value"),
        ("tasks: rte\nmethods:\n  - full\n  - lorra", "g.yaml:6:5: unknown method \"lorra\"; did you mean \"lora\"?"),
        (
            "tasks: rte\nmethods: [full, full]",
            "g.yaml:4:17: method full is given twice; keep one, or give each a label"
        ),
        (
            "tasks: rte\nmethods: [{lora: {}, full: {}}]",
            "g.yaml:4:11: a method is a name, or one name with its settings: lora: {rank: 8}"
        ),
        ("tasks: rte\nmethods: [lora: 8]", "g.yaml:4:17: settings must be names with values, such as {epochs: 3}"),
        (
            "tasks: rte\nmethods: [lora: {rnak: 8}]",
            "g.yaml:4:18: unknown hyperparameter \"rnak\"; did you mean \"rank\"?"
        ),
        (
            "tasks: rte\nmethods: [lora: {rank: 0}]",
            "g.yaml:4:24: rank is \"0\"; give a whole number from 1 to 1024"
        ),
        (
            "tasks: rte\nmethods: [lora: {targets: [query, query]}]",
            "g.yaml:4:27: targets is \"[query, query]\"; give a list of some of query, key, value, attentionOutput, "
                + "intermediate, output, each once"
        ),
        (
            "tasks: rte\nmethods: [lora: {preset: sora-paperr}]",
            "g.yaml:4:26: unknown preset \"sora-paperr\"; did you mean \"sora-paper\"?"
        ),
        (
            "tasks: rte\nmethods: [full: {preset: alora-paper}]",
            "g.yaml:4:26: preset alora-paper is for alora, lora, adalora, sora, not for full; for that there is "
                + "sora-paper, sora-repo"
        ),
        (
            "tasks: rte\nmethods:\n  - lora: {preset: sora-repo, maximumLength: 9}\n  - lora: {label: b, preset: sora-repo}",
            "g.yaml:6:5: preset sora-repo does not know maximumLength of lora for rte (looked for in the scripts of "
                + "SoRA's release and its issues 3 and 4); give what you choose yourself"
        ),
        (
            "tasks: rte\nmethods: [lora: {rank: 2, source: table}]",
            "g.yaml:4:35: source is \"table\"; give paper, repo, issue or ours, then where it stands if you like, "
                + "such as issue SoRA#4, on one line of at most 200 bytes"
        ),
        ("tasks: rte\nmethods: [lora: {label: a/b}]", "g.yaml:4:11: a label has 1 to 200 bytes on one line, without /"),
        ("tasks: rte\nmethods: full\nseeds: 0", "g.yaml:5:8: seeds is 0; give 1 to 10000, or a list"),
        ("tasks: rte\nmethods: full\nseeds: [1, 2, 1]", "g.yaml:5:15: seed 1 is given twice; keep one"),
        (
            "tasks: rte\nmethods: full\nseeds: [1, -2]",
            "g.yaml:5:12: seed \"-2\" is no whole number from 0 to 4294967295"
        ),
        ("tasks: rte\nmethods: full\nseeds: many", "g.yaml:5:8: seed \"many\" is no whole number from 0 to 4294967295"),
        (
            "tasks: rte\nmethods: full\ndefaults: {learningrate: 1}",
            "g.yaml:5:12: unknown hyperparameter \"learningrate\"; did you mean \"learningRate\"?"
        ),
        (
            "tasks: rte\nmethods: full\ndefaults: {learningRate: fast}",
            "g.yaml:5:26: learningRate is \"fast\"; give a number from 0 to 1000"
        ),
        (
            "tasks: rte\nmethods: full\ndefaults: {learningRate: .nan}",
            "g.yaml:5:26: learningRate is \".nan\"; give a number from 0 to 1000"
        ),
        (
            "tasks: rte\nmethods: full\ndefaults: {epochs: 1.5}",
            "g.yaml:5:20: epochs is \"1.5\"; give a whole number from 1 to 100000"
        ),
        (
            "tasks: rte\nmethods: full\ndefaults: {shuffle: maybe}",
            "g.yaml:5:21: shuffle is \"maybe\"; give true or false"
        ),
        (
            "tasks: rte\nmethods: full\ndefaults: {optimizer: sgd}",
            "g.yaml:5:23: optimizer is \"sgd\"; give one of adamW, adamWTransformers"
        ),
        (
            "tasks: rte\nmethods: full\ndefaults: {warmupSteps: 3, warmupRatio: 0.1}",
            "g.yaml:5:11: warmupRatio and warmupSteps are both given; keep one"
        ),
        (
            "tasks: rte\nmethods: full\noverrides:\n  - set: {epochs: 1}",
            "g.yaml:6:5: match is missing; add \"match: …\""
        ),
        (
            "tasks: rte\nmethods: full\noverrides:\n  - match: {metod: full}\n    set: {epochs: 1}",
            "g.yaml:6:13: unknown key of match \"metod\"; did you mean \"method\"?"
        ),
        (
            "tasks: rte\nmethods: [full, lora]\noverrides:\n  - match: {method: lorra}\n    set: {epochs: 1}",
            "g.yaml:6:21: unknown method of this sweep \"lorra\"; did you mean \"lora\"?"
        ),
        (
            "tasks: rte\nmethods: full\noverrides:\n  - match: {task: [cola]}\n    set: {epochs: 1}",
            "g.yaml:6:20: unknown task of this sweep \"cola\"; known: rte, RTE"
        ),
        (
            "tasks: rte\nmethods: full\nseeds: 2\noverrides:\n  - match: {seed: 20}\n    set: {epochs: 1}",
            "g.yaml:7:19: unknown seed of this sweep \"20\"; did you mean \"0\"?"
        ),
        (
            "tasks: rte\nmethods: full\npriority: high",
            "g.yaml:5:11: priority is \"high\"; give a whole number from -1000 to 1000"
        ),
        ("tasks: rte\nmethods: full\nweight: 0", "g.yaml:5:9: weight is \"0\"; give a whole number from 1 to 1000"),
        ("tasks: rte\nmethods: full\nneeds: 8 GiB", "g.yaml:5:8: needs must be names with values, such as {epochs: 3}"),
        (
            "tasks: rte\nmethods: full\nneeds: {lables: gpu}",
            "g.yaml:5:9: unknown key of needs \"lables\"; did you mean \"labels\"?"
        ),
        ("tasks: rte\nmethods: full\nneeds: {labels: [a, a]}", "g.yaml:5:21: label a is given twice; keep one"),
        (
            "tasks: rte\nmethods: full\nneeds: {memory: 8 GB}",
            "g.yaml:5:17: memory is \"8 GB\"; give a size such as 8 GiB or 512 MiB"
        ),
        (
            "tasks: rte\nmethods: full\nneeds: {memory: -1 GiB}",
            "g.yaml:5:17: memory is \"-1 GiB\"; give a size such as 8 GiB or 512 MiB"
        ),
        (
            "tasks: rte\nmethods: full\nkernelClass: haswel",
            "g.yaml:5:14: unknown kernel class \"haswel\"; did you mean \"Haswell\"?"
        ),
        ("tasks: rte\nmethods: full\ntasks: cola", "g.yaml:3:1: tasks is given twice; keep one"),
        ("tasks: [rte\nmethods: full", "g.yaml:4:8: not YAML: did not find expected ',' or ']'"),
        ("tasks: rte\n\tmethods: full", "g.yaml:4:1: not YAML: found a tab character that violates indentation"),
    ]

    /// Goal: every mistake gives one line that says where it is, what is wrong and what to do.
    @Test(arguments: 0..<mistakes.count)
    func `a mistake is told with its place`(index: Int) {
        let (yaml, message) = Self.mistakes[index]
        let error = #expect(throws: SweepFileError.self) { try SweepDefinition(yaml: Self.head + yaml, file: "g.yaml") }
        #expect(error.map { "\($0)" } == message)
    }

    @Test func `an empty file is no grid`() {
        let error = #expect(throws: SweepFileError.self) { try SweepDefinition(yaml: "# nothing\n", file: "g.yaml") }
        #expect(error.map { "\($0)" } == "g.yaml: the file is empty; the README has an example")
    }

    @Test(arguments: ["a b", "é", ".hidden", "../up", String(repeating: "a", count: 65)])
    func `a sweep's name can be a file's name`(name: String) {
        let error = #expect(throws: SweepFileError.self) {
            try SweepDefinition(yaml: "sweep: \"\(name)\"\nbackbone: b\ntasks: rte\nmethods: full", file: "g.yaml")
        }
        #expect(error?.line == 1)
        #expect(error?.message.hasSuffix("give 1 to 64 letters, digits, - _ or .") == true)
    }

    @Test func `anchors and aliases may be used, and cannot make a small file large`() throws {
        let sweep = try grid(
            "tasks: &t [rte, cola]\nmethods: full\noverrides:\n  - match: {task: *t}\n    set: {epochs: 1}"
        )
        #expect(sweep.overrides == [.init(match: ["task": ["rte", "cola"]], set: ["epochs": .integer(1)], line: 6)])
        var bomb = "tasks: rte\nmethods: full\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...40 {
            let aliases = [String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(throws: SweepFileError.self) { try grid(bomb) }
    }

    @Test func `size and number of shards have limits`() {
        let large = SweepDefinition.fileLimitBytes + 1
        #expect(throws: SweepFileError.self) {
            try SweepDefinition(yaml: String(repeating: "#", count: large), file: "g.yaml")
        }
        let error = #expect(throws: SweepFileError.self) {
            try grid("tasks: [rte, cola, mrpc, sts-b]\nmethods: [full, lora, bitfit]\nseeds: 10000")
        }
        #expect(error?.message == "the grid has 120000 shards; a sweep has at most 100000")
        let seeds = (0...SweepDefinition.seedLimit).map(String.init).joined(separator: ",")
        let tooMany = #expect(throws: SweepFileError.self) { try grid("tasks: rte\nmethods: full\nseeds: [\(seeds)]") }
        #expect(tooMany?.message == "seeds lists 10001; a sweep has at most 10000")
    }

    private func grid(_ yaml: String) throws -> SweepDefinition {
        try SweepDefinition(yaml: Self.head + yaml, file: "g.yaml")
    }
}
