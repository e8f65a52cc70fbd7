import Foundation
import Sweeps
import Testing

/// The README's reference of the grid file, held against the code.
@Suite struct ReadmeTests {
    private let root: URL
    private let readme: String

    init() throws {
        self.root = packageRoot
        self.readme = try String(contentsOf: packageRoot.appending(path: "README.md"), encoding: .utf8)
    }

    @Test func `every hyperparameter stands in the README with its default`() {
        // What several methods have alike stands there once.
        var rows: [(setting: Setting, owners: [String])] = Hyperparameters.settings.map { ($0, []) }
        for method in MethodDescription.all {
            for setting in method.settings {
                if let twin = rows.firstIndex(where: { $0.setting.isAlike(setting) }) {
                    rows[twin].owners.append(method.name)
                } else {
                    rows.append((setting, [method.name]))
                }
            }
        }
        for (setting, owners) in rows {
            let prefix = owners.isEmpty ? "" : owners.joined(separator: ", ") + ": "
            let value =
                setting.defaultValue.map { $0 == .list(MethodDescription.linearLayers) ? "all six" : "\($0)" } ?? "–"
            let row = "| `\(setting.name)` | \(value) | \(prefix)\(setting.help) |"
            #expect(self.readme.contains(row), "the README lacks this row: \(row)")
        }
    }

    @Test func `every task, method, preset, source and split protocol stands in the README`() {
        for name in TaskDescription.all.map(\.name) + MethodDescription.all.map(\.name) + Preset.all.map(\.name)
            + SettingSource.Origin.allCases.map(\.rawValue) + SplitProtocol.allCases.map(\.rawValue)
        {
            #expect(self.readme.contains("`\(name)`"), "the README does not name \(name)")
        }
    }

    /// Goal: no guarantee without its test. Method: every `name` (FolderTests) is looked for among the tests.
    @Test func `every test that the README names is there`() throws {
        var named = 0
        for match in self.readme.matches(of: /`([^`]+)` \(([A-Za-z]+Tests)\)/) {
            named += 1
            let folder = self.root.appending(path: "Tests/\(match.output.2)")
            let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
            let isThere = files?.contains { file in
                guard let file = file as? URL, file.pathExtension == "swift" else { return false }
                return (try? String(contentsOf: file, encoding: .utf8).contains("func `\(match.output.1)`")) == true
            }
            #expect(isThere == true, "there is no test `\(match.output.1)` in \(match.output.2)")
        }
        #expect(named > 10)
    }

    /// Goal: what the README shows works. Method: its YAML blocks are read as grids.
    @Test func `the README's grid is a grid`() throws {
        let blocks = self.readme.split(separator: "```").filter { $0.hasPrefix("yaml\n") }
        #expect(!blocks.isEmpty)
        for block in blocks {
            #expect(throws: Never.self) { try SweepDefinition(yaml: String(block.dropFirst(5)), file: "README.md") }
        }
    }
}

@Suite struct ReadyGridsTests {
    /// Goal: every grid in `cluster/sweeps` can be launched, and is named as its file.
    @Test func `the grids that come with Quintet are grids`() throws {
        let folder = packageRoot.appending(path: "cluster/sweeps")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count >= 2)
        for file in files {
            let sweep = try SweepDefinition(
                yaml: try String(contentsOf: file, encoding: .utf8),
                file: file.lastPathComponent
            )
            #expect("\(sweep.name).yaml" == file.lastPathComponent)
            #expect(!(try sweep.shards().isEmpty))
        }
    }

    /// Goal: of a published table's grid everything is told that decides a result: who says it, or that it is ours.
    @Test(arguments: [("sora-table", [6, 9, 5]), ("adalora-table", [12, 8, 5]), ("alora-table", [3, 3, 5])])
    func `every value of a published table's grid has a source`(name: String, sizes: [Int]) throws {
        let file = packageRoot.appending(path: "cluster/sweeps/\(name).yaml")
        let sweep = try SweepDefinition(yaml: try String(contentsOf: file, encoding: .utf8), file: "\(name).yaml")
        #expect([sweep.methods.count, sweep.tasks.count, sweep.seeds.count] == sizes)
        #expect(try sweep.shards().count == sizes.reduce(1, *))
        for plan in try sweep.cellPlans() {
            for value in plan.values where value.decidesResult {
                #expect(value.source != nil, "\(plan.cell.task)/\(plan.cell.label): \(value.name), \(value.rule)")
            }
        }
        #expect(!(try sweep.cellsWithOwnValues().isEmpty))
    }

    @Test func `the published tables' grids have their rows, shapes and seeds`() throws {
        func grid(_ name: String) throws -> [CellPlan] {
            let file = packageRoot.appending(path: "cluster/sweeps/\(name).yaml")
            return try SweepDefinition(yaml: try String(contentsOf: file, encoding: .utf8), file: name).cellPlans()
        }
        func settings(_ plans: [CellPlan], _ label: String, _ task: String) throws -> Settings {
            let plan = try #require(plans.first { $0.cell.label == label && $0.cell.task == task })
            return Dictionary(
                uniqueKeysWithValues: plan.values.map { ($0.name, $0.value) }
            )
        }
        let sora = try grid("sora-table")
        #expect(sora.labels == ["Fine-tuning", "Adapter", "BitFit", "LoRA", "AdaLoRA", "SoRA"])
        #expect(sora.allSatisfy { $0.seeds == [0, 21, 42, 81, 100] })
        for plan in sora {
            #expect(try settings(sora, plan.cell.label, plan.cell.task)["protocol"] == .text("soraSplit42"))
        }
        let adapter = try settings(sora, "Adapter", "qqp")
        #expect(adapter["bottleneck"] == .integer(8) && adapter["placement"] == .text("linear"))
        #expect(adapter["targets"] == .list(MethodDescription.linearLayers))
        // Only where the release has a script is SoRA itself free of values of ours.
        let own = sora.filter { $0.cell.label == "SoRA" && !$0.hasOwnValues }
        #expect(own.map(\.cell.task) == ["sts-b", "rte"])

        let adaLoRA = try grid("adalora-table")
        #expect(
            adaLoRA.labels == [
                "Full FT", "BitFit", "HAdapter 1.22M", "PAdapter 1.18M", "LoRA r=8", "AdaLoRA 1.27M",
                "HAdapter 0.61M", "PAdapter 0.60M", "HAdapter 0.31M", "PAdapter 0.30M", "LoRA r=2", "AdaLoRA 0.32M",
            ]
        )
        let sizes: [(label: String, setting: String, size: Int)] = [
            ("HAdapter 1.22M", "bottleneck", 32), ("PAdapter 1.18M", "bottleneck", 64), ("LoRA r=8", "rank", 8),
            ("AdaLoRA 1.27M", "targetRank", 8), ("HAdapter 0.61M", "bottleneck", 16),
            ("PAdapter 0.60M", "bottleneck", 32), ("HAdapter 0.31M", "bottleneck", 8),
            ("PAdapter 0.30M", "bottleneck", 16), ("LoRA r=2", "rank", 2), ("AdaLoRA 0.32M", "targetRank", 2),
        ]
        for (label, setting, size) in sizes {
            #expect(try settings(adaLoRA, label, "rte")[setting] == .integer(size), "\(label)")
        }
        #expect(adaLoRA.filter { $0.cell.label.hasPrefix("AdaLoRA") }.allSatisfy { !$0.hasOwnValues })
        #expect(try grid("alora-table").labels == ["AdaLoRA", "SoRA", "ALoRA"])
    }
}

extension [CellPlan] {
    /// Each row's label once, in the grid's order.
    fileprivate var labels: [String] {
        self.map(\.cell.label).reduce(into: []) { labels, label in
            if labels.last != label { labels.append(label) }
        }
    }
}

extension Setting {
    fileprivate func isAlike(_ other: Setting) -> Bool {
        self.name == other.name && self.defaultValue == other.defaultValue && self.help == other.help
    }
}

/// Where Package.swift lies.
let packageRoot = URL(filePath: #filePath).resolvingSymlinksInPath().appending(path: "../../..").standardized
