import ArgumentParser
import Foundation
import Sweeps
import Testing

@testable import quintet

@Suite struct PlanTests {
    private static let grid = """
        sweep: example
        backbone: tiny-random
        tasks: [rte, sts-b]
        methods:
          - full
          - sora: {label: SoRA, preset: sora-repo, alpha: 8, source: ours halved}
        seeds: 2
        defaults: {epochs: 1}
        overrides:
          - match: {method: full, task: rte, seed: 1}
            set: {learningRate: 1e-3}
            source: issue X#1
        """

    private func plan(methods: [String] = [], tasks: [String] = []) throws -> GridPlan {
        try GridPlan(of: SweepDefinition(yaml: Self.grid, file: "g.yaml"), methods: methods, tasks: tasks)
    }

    @Test func `the whole plan of a small grid`() throws {
        let expected = """
            example on tiny-random: 8 shards = 2 methods × 2 tasks × 2 seeds (0, 1)

                                  value              set by                source       tasks

            all cells
              checkpointSeconds   60                 built in              –

            full
              epochs              1                  defaults              –
              batchSize           32                 built in              –
              warmupRatio         0.06               built in              –
              weightDecay         0                  built in              –
              gradientClip        1                  built in              –
              maximumLength       128                built in              –
              headTrainable       true               built in              –
              optimizer           adamW              built in              –
              adamEpsilon         1e-08              built in              –
              beta1               0.9                built in              –
              beta2               0.999              built in              –
              checkpoint          last               follows protocol      –
              selection           metric             built in              –
              decayEnd            lastStep           built in              –
              countingRule        published          built in              –
              shuffle             true               built in              –
              protocol            fullDev            built in              –
              learningRate        5e-05              built in              –            rte (seed 0), sts-b
                                  0.001              override 1 (line 10)  issue X#1    rte (seed 1)

            SoRA (sora, preset sora-repo)
              warmupRatio         0.06               preset sora-repo      repo
              weightDecay         0.1                preset sora-repo      repo
              gradientClip        0.1                preset sora-repo      repo
              headTrainable       false              preset sora-repo      repo
              optimizer           adamWTransformers  preset sora-repo      repo
              adamEpsilon         1e-08              preset sora-repo      repo
              beta1               0.9                preset sora-repo      repo
              beta2               0.999              preset sora-repo      repo
              evaluationInterval  1000               preset sora-repo      repo
              checkpoint          best               preset sora-repo      repo
              selection           metric             preset sora-repo      repo
              decayEnd            truncated          preset sora-repo      repo
              countingRule        published          preset sora-repo      repo
              shuffle             true               preset sora-repo      repo
              protocol            soraSplit42        preset sora-repo      repo
              rank                8                  preset sora-repo      repo
            * alpha               8                  method                ours halved
              targets             all six            preset sora-repo      repo
              initialization      kaimingUniform     preset sora-repo      repo
              loraDropout         0                  preset sora-repo      repo
              proximal            repo               preset sora-repo      repo
              gateEpsilon         1e-06              preset sora-repo      repo
              epochs              50                 preset sora-repo      repo         rte
                                  20                 preset sora-repo      repo         sts-b
              batchSize           32                 preset sora-repo      repo         rte
                                  8                  preset sora-repo      repo         sts-b
              learningRate        0.0012             preset sora-repo      repo         rte
                                  0.0008             preset sora-repo      repo         sts-b
              maximumLength       320                preset sora-repo      repo         rte
                                  128                preset sora-repo      repo         sts-b
              sparsity            0                  preset sora-repo      repo         rte
                                  0.0003             preset sora-repo      repo         sts-b
              l1Weight            0.001              preset sora-repo      repo         rte
                                  10                 preset sora-repo      repo         sts-b
              schedule            linear             preset sora-repo      repo         rte
                                  none               preset sora-repo      repo         sts-b
              maximumSparsity     0.0007             preset sora-repo      repo         rte
              stages              7                  preset sora-repo      repo         rte
              stageEpochs         15                 preset sora-repo      repo         rte
              stageLearningRate   spent              preset sora-repo      repo         rte

            * ours: chosen here, nobody published it; in 2 of 4 cells

            """
        #expect(try self.plan().rendered(as: .terminal) == expected)
    }

    @Test func `values of ours are bold where there is a terminal`() throws {
        let lines = try self.plan().rendered(as: .terminal, styled: true).split(separator: "\n")
        let bold = lines.filter { $0.hasPrefix("\u{1b}[1m* ") }
        #expect(bold.count == 1 && bold.allSatisfy { $0.contains("alpha") && $0.hasSuffix("\u{1b}[22m") })
    }

    @Test func `rows and columns can be chosen, and are told where there are none of the name`() throws {
        let chosen = try self.plan(methods: ["sora"], tasks: ["STS-B"])
        #expect(chosen.cells.map { "\($0.cell.task)/\($0.cell.label)" } == ["sts-b/SoRA"])
        let text = try chosen.rendered(as: .terminal)
        #expect(text.contains("\nSoRA (sora, preset sora-repo)\n  epochs ") && !text.contains("all cells"))
        #expect(try self.plan(methods: ["SoRA", "full"]).cells.count == 5)
        let row = #expect(throws: UnknownName.self) { try self.plan(methods: ["lora"]) }
        #expect(row?.description == "unknown method of this sweep \"lora\"; did you mean \"SoRA\"?")
        let column = #expect(throws: UnknownName.self) { try self.plan(tasks: ["cola"]) }
        #expect(column?.description == "unknown task of this sweep \"cola\"; known: rte, sts-b")
    }

    /// Goal: a program reads which value is whose. Method: the JSON is read back as a plain tree.
    @Test func `JSON has every value with its rule and source`() throws {
        struct Export: Decodable {
            struct Value: Decodable {
                let name: String
                let value: SettingValue
                let rule: String
                let source: String?
                let place: String?
            }
            struct Cell: Decodable {
                let method: String
                let label: String
                let preset: String?
                let task: String
                let seeds: [Int]
                let ours: Bool
                let settings: [Value]
            }
            let sweep: String
            let backbone: String
            let shards: Int
            let cells: [Cell]
        }
        let export = try JSONDecoder().decode(Export.self, from: Data(try self.plan().rendered(as: .json).utf8))
        #expect(export.sweep == "example" && export.backbone == "tiny-random" && export.shards == 8)
        #expect(export.cells.map(\.seeds) == [[0], [1], [0, 1], [0, 1], [0, 1]])
        #expect(export.cells.map(\.ours) == [false, false, false, true, true])
        let rate = try #require(export.cells[1].settings.first { $0.name == "learningRate" })
        #expect(rate.value == .number(1e-3) && rate.rule == "override 1 (line 10)")
        #expect(rate.source == "issue" && rate.place == "X#1")
        let alpha = try #require(export.cells[3].settings.first { $0.name == "alpha" })
        #expect(alpha.rule == "method" && alpha.source == "ours" && alpha.place == "halved")
        #expect(export.cells[3].preset == "sora-repo" && export.cells[3].label == "SoRA")
        #expect(export.cells[4].settings.first { $0.name == "sparsity" }?.rule == "preset sora-repo")
    }

    @Test func `the command's options are read`() throws {
        let command = try Quintet.parseAsRoot([
            "plan", "--format", "json", "--task", "rte", "--method", "full", "g.yaml",
        ])
        #expect((command as? Plan)?.format == .json)
        #expect(throws: (any Error).self) { try Quintet.parseAsRoot(["plan", "--format", "csv", "g.yaml"]) }
        #expect(throws: (any Error).self) { try Quintet.parseAsRoot(["plan"]) }
    }
}
