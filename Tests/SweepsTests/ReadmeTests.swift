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

    @Test func `every task, method and split protocol stands in the README`() {
        for name in TaskDescription.all.map(\.name) + MethodDescription.all.map(\.name)
            + SplitProtocol.allCases.map(\.rawValue)
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
}

extension Setting {
    fileprivate func isAlike(_ other: Setting) -> Bool {
        self.name == other.name && self.defaultValue == other.defaultValue && self.help == other.help
    }
}

/// Where Package.swift lies.
private let packageRoot = URL(filePath: #filePath).resolvingSymlinksInPath().appending(path: "../../..").standardized
