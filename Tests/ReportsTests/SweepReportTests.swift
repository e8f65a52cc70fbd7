import Foundation
import Reports
import Sweeps
import Testing

@Suite struct SweepReportTests {
    @Test func `the terminal's table`() throws {
        let expected = """
            example on tiny-random

            method   trainable  CoLA (matthews)  RTE (accuracy)  Avg.
            ──────────────────────────────────────────────────────────
            full    22,565,376  27.28 ± 1.51     62.00 ± 1.58    44.64
            lora       331,776  22.87 ± 0.20         – (3/5)         –
            bitfit      30,720   8.40 ± 10.01        – (4/5)         –

            Scores × 100: mean ± std over 5 seeds (ddof 1). Scored on validation (fullDev). \
            Trainable parameters without the head.
            3 of 30 shards have no result; go on with: quintet resume example
            failed: rte/bitfit/4: the loss is nan at step 12; lower learningRate

            """
        #expect(try ExampleSweep.mixed().report.rendered(as: .terminal) == expected)
    }

    /// Goal: best and second stand out on a terminal, and the columns still line up.
    /// Method: the styled table without its codes is the plain one, but for the sentence that explains the marks.
    @Test func `the terminal's table with marks`() throws {
        let report = try ExampleSweep.mixed().report
        let styled = report.rendered(as: .terminal, styled: true)
        #expect(styled.contains("full    22,565,376  \u{1b}[1m27.28\u{1b}[22m ± 1.51     62.00 ± 1.58    44.64\n"))
        #expect(styled.contains("lora       331,776  \u{1b}[4m22.87\u{1b}[24m ± 0.20         – (3/5)         –\n"))
        let bare = styled.replacing(/\u{1b}\[[0-9]+m/, with: "").replacing(" Best bold, second underlined.", with: "")
        #expect(bare == report.rendered(as: .terminal))
    }

    @Test func `the Markdown table`() throws {
        let expected = """
            **example on tiny-random**. Scores × 100: mean ± std over 5 seeds (ddof 1). \
            Scored on validation (fullDev). Trainable parameters without the head. Best bold, second underlined.

            | method | trainable parameters |     CoLA (matthews) | RTE (accuracy) |  Avg. |
            |:-------|---------------------:|--------------------:|---------------:|------:|
            | full   |           22,565,376 |    **27.28** ± 1.51 |   62.00 ± 1.58 | 44.64 |
            | lora   |              331,776 | <u>22.87</u> ± 0.20 |        – (3/5) |     – |
            | bitfit |               30,720 |        8.40 ± 10.01 |        – (4/5) |     – |

            - 3 of 30 shards have no result; go on with: quintet resume example
            - failed: rte/bitfit/4: the loss is nan at step 12; lower learningRate

            """
        #expect(try ExampleSweep.mixed().report.rendered(as: .markdown) == expected)
    }

    @Test func `partial cells are averaged on demand and say of how many seeds`() throws {
        let expected = """
            | method | trainable parameters |     CoLA (matthews) |     RTE (accuracy) |  Avg. |
            |:-------|---------------------:|--------------------:|-------------------:|------:|
            | full   |           22,565,376 |    **27.28** ± 1.51 |       62.00 ± 1.58 | 44.64 |
            | lora   |              331,776 | <u>22.87</u> ± 0.20 | 65.53 ± 0.45 (3/5) |     – |
            | bitfit |               30,720 |        8.40 ± 10.01 | 58.00 ± 0.82 (4/5) |     – |
            """
        let table = try ExampleSweep.mixed().report.rendered(as: .markdown, partial: true)
        #expect(table.contains("\n\n\(expected)\n\n"))
    }

    @Test func `CSV has a line for each cell and leaves out the averages of what is incomplete`() throws {
        let expected = """
            task,method,metric,protocol,mean,std,n,expected,trainableParameters,seed0,seed1,seed2,seed3,seed4
            cola,full,matthews,fullDev,0.27280000000000004,0.015141664373509276,5,5,22565376,0.2868,0.2833,0.2483,0.2751,0.2705
            rte,full,accuracy,fullDev,0.62,0.01581138830084191,5,5,22565376,0.6,0.61,0.62,0.63,0.64
            cola,lora,matthews,fullDev,0.22871999999999998,0.0020339616515559016,5,5,331776,0.2258,0.231,0.23,0.2277,0.2291
            rte,lora,accuracy,fullDev,,,3,5,331776,0.655,0.651,0.66,,
            cola,bitfit,matthews,fullDev,0.084,0.10014988766843426,5,5,30720,0.1,-0.05,0.02,0.2,0.15
            rte,bitfit,accuracy,fullDev,,,4,5,30720,0.58,0.59,0.57,0.58,

            """
        #expect(try ExampleSweep.mixed().report.rendered(as: .csv) == expected)
    }

    @Test func `JSON has an object for each cell with the values by seed`() throws {
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full", "lora"], seeds: 2)
        try sweep.finish("rte/full", [0.5, 0.75], trainableParameters: 7)
        sweep.outcomes["rte/lora/1"] = .failed("a \"quoted\" reason")
        let expected = """
            [
              {"task": "rte", "method": "full", "metric": "accuracy", "protocol": "fullDev", "mean": 0.625, \
            "std": 0.1767766952966369, "n": 2, "expected": 2, "values": {"0": 0.5, "1": 0.75}, "failures": {}, \
            "trainableParameters": 7, "trainableParametersInitial": 7, \
            "trainableParametersFinal": 7, "trueParametersInitial": null, "trueParametersFinal": null, "ours": false},
              {"task": "rte", "method": "lora", "metric": "accuracy", "protocol": "fullDev", "mean": null, \
            "std": null, "n": 0, "expected": 2, "values": {}, "failures": {"1": "a \\"quoted\\" reason"}, \
            "trainableParameters": null, "trainableParametersInitial": null, \
            "trainableParametersFinal": null, "trueParametersInitial": null, "trueParametersFinal": null, "ours": false}
            ]

            """
        let json = try sweep.report.rendered(as: .json)
        #expect(json == expected)
        #expect(try JSONSerialization.jsonObject(with: Data(json.utf8)) is [[String: Any]])
    }

    @Test func `one seed has no deviation`() throws {
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full"], seeds: 1)
        try sweep.finish("rte/full", [0.6249])
        let expected = """
            **example on tiny-random**. Scores × 100 of one seed. Scored on validation (fullDev). \
            Trainable parameters without the head.

            | method | trainable parameters | RTE (accuracy) |
            |:-------|---------------------:|---------------:|
            | full   |                1,000 |      62.49 ± – |

            """
        #expect(try sweep.report.rendered(as: .markdown) == expected)
        #expect(try sweep.report.rendered(as: .json).contains("\"mean\": 0.6249, \"std\": null, \"n\": 1"))
    }

    @Test func `equals share a mark, and the next best is second`() throws {
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full", "lora", "bitfit"], seeds: 2)
        // The same as printed, though not to the last bit.
        try sweep.finish("rte/full", [0.7, 0.700000001])
        try sweep.finish("rte/lora", [0.7, 0.7])
        try sweep.finish("rte/bitfit", [0.6, 0.7])
        let expected = """
            | method | trainable parameters |      RTE (accuracy) |
            |:-------|---------------------:|--------------------:|
            | full   |                1,000 |    **70.00** ± 0.00 |
            | lora   |                1,000 |    **70.00** ± 0.00 |
            | bitfit |                1,000 | <u>65.00</u> ± 7.07 |
            """
        #expect(try sweep.report.rendered(as: .markdown).contains("\n\n\(expected)\n"))
    }

    @Test func `cells that are not complete take no part in the ranking`() throws {
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full", "lora", "bitfit"], seeds: 2)
        try sweep.finish("rte/full", [0.7, 0.7])
        try sweep.finish("rte/lora", [0.9])
        try sweep.finish("rte/bitfit", [0.6, 0.6])
        let table = try sweep.report.rendered(as: .markdown, partial: true)
        #expect(table.contains("**70.00** ± 0.00"))
        #expect(table.contains(" 90.00 ± – (1/2)"))
        #expect(table.contains("<u>60.00</u> ± 0.00"))
    }

    @Test func `a single method is neither best nor second`() throws {
        var sweep = ExampleSweep(tasks: ["rte", "cola"], methods: ["full"], seeds: 2)
        try sweep.finish("rte/full", [0.7, 0.7])
        try sweep.finish("cola/full", [0.1, 0.1])
        let table = try sweep.report.rendered(as: .markdown)
        #expect(table.contains("| full   |                1,000 |   70.00 ± 0.00 |    10.00 ± 0.00 | 40.00 |"))
        #expect(!table.contains("Best bold"))
    }

    @Test func `an average counts both of MNLI's dev sets as one task`() throws {
        var sweep = ExampleSweep(tasks: ["mnli-m", "rte", "mnli-mm"], methods: ["full"], seeds: 1)
        try sweep.finish("mnli-m/full", [0.8])
        try sweep.finish("mnli-mm/full", [0.9])
        try sweep.finish("rte/full", [0.6])
        #expect(try sweep.report.rendered(as: .markdown).contains(" 90.00 ± – | 72.50 |\n"))
    }

    @Test func `no average is printed before a row is complete`() throws {
        var sweep = ExampleSweep(tasks: ["cola", "rte"], methods: ["full"], seeds: 2)
        try sweep.finish("cola/full", [0.5, 0.5])
        try sweep.finish("rte/full", [0.6])
        for partial in [false, true] {
            let table = try sweep.report.rendered(as: .terminal, partial: partial)
            #expect(table.contains("  Avg.\n"))
            #expect(table.split(separator: "\n").contains { $0.hasPrefix("full ") && $0.hasSuffix("  –") })
        }
    }

    @Test func `trainable parameters follow each shard's counting rule, and JSON tells all counts`() throws {
        let override = SweepDefinition.Override(match: ["method": ["sora"]], set: ["countingRule": .text("true")])
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["sora", "lora"], seeds: 1, overrides: [override])
        for method in ["sora", "lora"] {
            try sweep.finish("rte/\(method)", [0.6], trainableParameters: 900)
            guard case .finished(var result) = sweep.outcomes["rte/\(method)/0"] else { continue }
            result.trainableParametersInitial = 1000
            (result.trueParametersInitial, result.trueParametersFinal) = (1008, 800)
            sweep.outcomes["rte/\(method)/0"] = .finished(result)
        }
        let table = try sweep.report.rendered(as: .terminal)
        #expect(table.contains("sora          800 ") && table.contains("lora          900 "))
        #expect(table.contains(" Trainable parameters without the head, by each method's countingRule."))
        let counts = """
            "trainableParametersInitial": 1000, "trainableParametersFinal": 900, "trueParametersInitial": 1008, \
            "trueParametersFinal": 800
            """
        #expect(try sweep.report.rendered(as: .json).components(separatedBy: counts).count == 3)
        sweep.definition.overrides[0].match = [:]
        #expect(try sweep.report.rendered(as: .terminal).contains(" without the head, by true count."))
    }

    @Test func `cells with settings of ours are marked`() throws {
        var sweep = ExampleSweep(tasks: ["cola", "rte"], methods: ["full", "lora"], seeds: 1)
        try sweep.finish("cola/lora", [0.5])
        try sweep.finish("rte/lora", [0.6])
        sweep.ours = ["cola/lora", "rte/full"]
        let report = try sweep.report
        let lines = report.rendered(as: .terminal).split(separator: "\n")
        #expect(lines.contains("full            –      – (0/1)          – (0/1)°        –"))
        #expect(lines.contains("lora        1,000  50.00 ± –°       60.00 ± –       55.00"))
        #expect(lines.contains("° some settings are ours, not the authors': quintet plan shows which"))
        #expect(report.rendered(as: .markdown).contains("\n- ° some settings are ours, "))
        #expect(report.rendered(as: .json).components(separatedBy: "\"ours\": true").count == 3)
    }

    @Test func `an undefined metric is missing, not zero`() throws {
        var sweep = ExampleSweep(tasks: ["cola"], methods: ["full"], seeds: 2)
        try sweep.finish("cola/full", [0.25, nil])
        let table = try sweep.report.rendered(as: .terminal)
        #expect(table.contains("full        1,000  – (1/2)"))
        #expect(table.contains("cola/full/1: matthews is undefined."))
        #expect(try sweep.report.rendered(as: .json).contains("\"values\": {\"0\": 0.25, \"1\": null}"))
    }

    @Test func `scores of different splits are not ranked, and the caption tells the splits`() throws {
        let override = SweepDefinition.Override(match: ["method": ["lora"]], set: ["protocol": .text("soraSplit42")])
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full", "lora"], seeds: 2, overrides: [override])
        try sweep.finish("rte/full", [0.7, 0.7])
        try sweep.finish("rte/lora", [0.6, 0.6])
        let table = try sweep.report.rendered(as: .markdown)
        #expect(!table.contains("**70.00**"))
        #expect(table.contains("Scored on validation (fullDev) and test (soraSplit42)."))
        #expect(table.contains("- RTE mixes validation (fullDev) and test (soraSplit42): its scores do not compare."))
    }

    @Test func `each split protocol names its columns`() throws {
        let override = SweepDefinition.Override(match: ["task": ["rte"]], set: ["protocol": .text("soraSplit42")])
        let sweep = ExampleSweep(tasks: ["rte", "cola"], methods: ["full"], overrides: [override])
        let table = try sweep.report.rendered(as: .terminal)
        #expect(table.contains("Scored on test (soraSplit42): RTE; validation (fullDev): CoLA."))
    }

    @Test func `scores of a part of a split say so and do not compare with scores of the whole`() throws {
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full", "lora"], seeds: 2)
        sweep.definition.defaults["evaluationExamples"] = .integer(100)
        #expect(try sweep.report.rendered(as: .terminal).contains("Scored on 100 examples of validation (fullDev)."))
        sweep.definition.overrides = [.init(match: ["method": ["full"]], set: ["evaluationExamples": .integer(50)])]
        try sweep.finish("rte/full", [0.7, 0.7])
        try sweep.finish("rte/lora", [0.6, 0.6])
        #expect(!(try sweep.report.rendered(as: .markdown).contains("**70.00**")))
    }

    @Test func `many failures are counted, not listed`() throws {
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full"], seeds: 30)
        for seed in 0..<30 { sweep.outcomes["rte/full/\(seed)"] = .failed("no memory") }
        let lines = try sweep.report.rendered(as: .terminal).split(separator: "\n")
        #expect(lines.count { $0.hasPrefix("failed: rte/full/") } == 20)
        #expect(lines.last == "failed: 10 more")
    }

    @Test func `what others wrote changes neither terminal nor Markdown`() throws {
        var sweep = ExampleSweep(tasks: ["rte"], methods: ["full"], seeds: 1)
        sweep.definition.methods[0].label = "a|b*\u{1b}[31m"
        sweep.outcomes["rte/a|b*\u{1b}[31m/0"] = .failed("<b>no</b>\u{1b}[2J")
        let report = try sweep.report
        #expect(!report.rendered(as: .terminal).contains("\u{1b}"))
        #expect(report.rendered(as: .markdown).contains("| a\\|b\\* \\[31m |"))
        #expect(report.rendered(as: .markdown).contains("\\<b>no\\</b>"))
    }
}

@Suite struct SeedSummaryTests {
    /// Values: numpy's `mean` and `std(ddof=1)`.
    @Test func `mean and deviation`() throws {
        let summary = try #require(SeedSummary([0.655, 0.651, 0.66]))
        #expect(abs(summary.mean - 0.6553333333333334) < 1e-15)
        #expect(abs(try #require(summary.standardDeviation) - 0.004509249752822898) < 1e-15)
        #expect(SeedSummary([0.5])?.standardDeviation == nil)
        #expect(SeedSummary([]) == nil)
    }
}
