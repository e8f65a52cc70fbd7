import ArgumentParser
import Foundation
import Testing
import Yams

@testable import quintet

/// The command lines of what a person deploys with.
@Suite struct ClusterCommandsTests {
    private static let root = URL(filePath: #filePath).resolvingSymlinksInPath().appending(path: "../../..")
        .standardized
    private static let isComposeThere = FileManager.default.fileExists(
        atPath: Self.root.appending(path: "cluster/compose.yaml").path
    )

    /// Goal: no manifest starts the program with an option that it has not.
    /// Method: every list that begins with `quintet`, at any depth of every document, is parsed as the program does.
    @Test(arguments: [
        "kubernetes/coordinator.yaml", "kubernetes/workers.yaml", "kubernetes/deployment/workers.yaml",
    ])
    func `every command of a manifest is one that the program takes`(file: String) throws {
        let commands = try Self.nodes("cluster/\(file)").flatMap(Self.commands)
        // The container's own, and its three probes.
        #expect(commands.count == 4)
        for command in commands { Self.expectToParse(command) }
    }

    /// Goal: the same of Compose, whose images begin with the program by themselves.
    @Test(.enabled(if: Self.isComposeThere, "there is no cluster/compose.yaml"))
    func `every command of the Compose file is one that the program takes`() throws {
        let document = try #require(try Self.nodes("cluster/compose.yaml").first)
        let services = try #require(document["services"]?.mapping)
        var commands = Self.commands(document)
        for service in services.map(\.value) {
            guard let command = service["command"] else { continue }
            let words = command.sequence.map { $0.compactMap(\.string) } ?? Self.words(command.string ?? "")
            if words.first != "quintet" { commands.append(words) }
        }
        #expect(commands.count >= services.count)
        for command in commands { Self.expectToParse(command) }
    }

    /// Goal: the commands of the documentation work as they stand. Method: each line of code that runs `quintet`.
    @Test(arguments: ["README.md", "containers.md", "hosts/README.md", "kubernetes/README.md", "slurm/README.md"])
    func `every command of a page is one that the program takes`(file: String) throws {
        let page = try String(contentsOf: Self.root.appending(path: "cluster/\(file)"), encoding: .utf8)
        let lines = page.split(separator: "\n").filter { $0.hasPrefix("    ") }
        let commands = lines.compactMap { $0.firstMatch(of: /(?:^ +|-- |exec coordinator )quintet ([^#|]+)/)?.output.1 }
        #expect(commands.count >= 4)
        for command in commands { Self.expectToParse(Self.words(String(command))) }
    }

    private static func expectToParse(_ command: [String]) {
        let words = command.map { word in
            // What the cluster fills in is a number wherever it stands.
            word.replacing(/\$\{\w+:?-([^}]*)\}/) { $0.output.1 }.replacing(/\$\(\w+\)|\$\{\w+\}/, with: "2")
        }
        #expect(throws: Never.self, "quintet \(words.joined(separator: " "))") { try Quintet.parseAsRoot(words) }
    }

    private static func words(_ text: String) -> [String] {
        text.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    private static func nodes(_ path: String) throws -> [Node] {
        let text = try String(contentsOf: self.root.appending(path: path), encoding: .utf8)
        var documents = try compose_all(yaml: text)
        var nodes: [Node] = []
        while let node = documents.next() { nodes.append(node) }
        if let error = documents.error { throw error }
        return nodes
    }

    /// What follows `quintet` in each list that begins with it, or with Compose's word before it.
    private static func commands(_ node: Node) -> [[String]] {
        if let mapping = node.mapping { return mapping.flatMap { self.commands($0.value) } }
        guard let sequence = node.sequence else { return [] }
        let words = sequence.map { $0.string ?? "" }
        if words.first == "quintet" { return [Array(words.dropFirst())] }
        if words.starts(with: ["CMD", "quintet"]) { return [Array(words.dropFirst(2))] }
        return sequence.flatMap(self.commands)
    }
}
