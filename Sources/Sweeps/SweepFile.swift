internal import Yams

/// A grid file with a mistake, and where it is.
public struct SweepFileError: Error, Hashable, Sendable, CustomStringConvertible {
    public let file: String
    /// Counted from 1; `nil` where the whole file is meant.
    public let line: Int?
    public let column: Int?
    public let message: String

    public var description: String {
        let place = self.line.map { ":\($0)" + (self.column.map { ":\($0)" } ?? "") } ?? ""
        return "\(self.file)\(place): \(self.message)"
    }
}

extension SweepDefinition {
    /// The largest grid file that is read, in bytes.
    public static let fileLimitBytes = 1 << 20

    /// Reads a grid file.
    ///
    /// - Parameters:
    ///   - yaml: the file's text.
    ///   - file: its name, for messages.
    /// - Throws: ``SweepFileError`` with line and column.
    public init(yaml: String, file: String) throws(SweepFileError) {
        var reader = SweepFileReader(file: file)
        self = try reader.read(yaml)
    }
}

/// Walks the YAML tree; every mistake is reported where it stands.
struct SweepFileReader {
    let file: String
    /// The methods' places, by label.
    private var methodNodes: [String: Node] = [:]

    init(file: String) { self.file = file }

    private static let keys = [
        "sweep", "backbone", "tasks", "methods", "seeds", "defaults", "overrides", "priority", "weight", "needs",
        "kernelClass",
    ]

    mutating func read(_ yaml: String) throws(SweepFileError) -> SweepDefinition {
        guard yaml.utf8.count <= SweepDefinition.fileLimitBytes else {
            throw self.error(
                nil,
                "the file has \(yaml.utf8.count) bytes; a grid has at most \(SweepDefinition.fileLimitBytes)"
            )
        }
        let root = try self.members(try self.compose(yaml), of: "a grid", known: Self.keys)
        let tasks = try self.tasks(try self.required("tasks", root))
        let methods = try self.methods(try self.required("methods", root))
        let seeds = try self.seeds(root["seeds"])
        let definition = SweepDefinition(
            name: try self.sweepName(try self.required("sweep", root)),
            backbone: try self.text(try self.required("backbone", root), "backbone"),
            tasks: tasks,
            methods: methods,
            seeds: seeds,
            defaults: try self.settings(root["defaults"], of: methods.map(\.method), beside: ["source"]),
            defaultsSource: try self.source(root["defaults"]?.mapping?["source"]),
            overrides: try self.overrides(root["overrides"], tasks: tasks, methods: methods, seeds: seeds),
            priority: try self.integer(root["priority"], "priority", in: SweepDefinition.priorities),
            weight: try self.integer(root["weight"], "weight", in: SweepDefinition.weights),
            needs: try self.needs(root["needs"]),
            kernelClass: try self.kernelClass(root["kernelClass"])
        )
        try self.checkGrid(definition)
        return definition
    }

    func compose(_ yaml: String) throws(SweepFileError) -> Node {
        do {
            guard let node = try Yams.compose(yaml: yaml) else {
                throw self.error(nil, "the file is empty; the README has an example")
            }
            return node
        } catch let error as SweepFileError {
            throw error
        } catch let error as YamlError {
            throw self.error(error)
        } catch {
            throw self.error(nil, "\(error)")
        }
    }

    private func error(_ error: YamlError) -> SweepFileError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            SweepFileError(file: self.file, line: mark.line, column: mark.column, message: "not YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            SweepFileError(
                file: self.file,
                line: context.mark.line,
                column: context.mark.column,
                message: "\(duplicates.map { "\($0)" }.joined(separator: ", ")) is given twice; keep one"
            )
        default: SweepFileError(file: self.file, line: nil, column: nil, message: "not YAML: \(error)")
        }
    }

    func error(_ node: Node?, _ message: String) -> SweepFileError {
        SweepFileError(file: self.file, line: node?.mark?.line, column: node?.mark?.column, message: message)
    }

    private func sweepName(_ node: Node) throws(SweepFileError) -> String {
        let name = try self.text(node, "sweep")
        let allowed = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-_.".utf8.contains(byte)
        }
        guard allowed, (1...64).contains(name.utf8.count), name.first != "." else {
            throw self.error(node, "sweep is \"\(name.prefix(80))\"; give 1 to 64 letters, digits, - _ or .")
        }
        return name
    }

    private func tasks(_ node: Node) throws(SweepFileError) -> [String] {
        var names: [String] = []
        for item in try self.items(node, "tasks") {
            let name: String
            do { name = try TaskDescription.named(try self.text(item, "a task")).name } catch let error as UnknownName {
                throw self.error(item, "\(error)")
            } catch { throw error as? SweepFileError ?? self.error(item, "\(error)") }
            guard !names.contains(name) else { throw self.error(item, "task \(name) is given twice; keep one") }
            names.append(name)
        }
        return names
    }

    private mutating func methods(_ node: Node) throws(SweepFileError) -> [SweepDefinition.Method] {
        var methods: [(entry: SweepDefinition.Method, hasLabel: Bool, node: Node)] = []
        for item in try self.items(node, "methods") {
            var (name, settings): (String, Node?) = ("", nil)
            if let mapping = item.mapping {
                guard mapping.count == 1, let (key, value) = mapping.first.map({ ($0.key, $0.value) }) else {
                    throw self.error(item, "a method is a name, or one name with its settings: lora: {rank: 8}")
                }
                (name, settings) = (try self.text(key, "a method"), value)
            } else {
                name = try self.text(item, "a method")
            }
            do { _ = try MethodDescription.named(name) } catch { throw self.error(item, "\(error)") }
            let members = settings?.mapping
            let label = try members?["label"].map { (node) throws(SweepFileError) in try self.text(node, "label") }
            let entry = SweepDefinition.Method(
                label: label ?? name,
                method: name,
                settings: try self.settings(settings, of: [name], beside: ["label", "preset", "source"]),
                preset: try self.preset(members?["preset"], method: name),
                source: try self.source(members?["source"])
            )
            methods.append((entry, label != nil, item))
        }
        return try self.labelled(methods)
    }

    /// Methods that stand twice in a grid are told apart by the preset and the settings that they are given.
    private mutating func labelled(_ methods: [(entry: SweepDefinition.Method, hasLabel: Bool, node: Node)])
        throws(SweepFileError) -> [SweepDefinition.Method]
    {
        var result: [SweepDefinition.Method] = []
        for (index, method) in methods.enumerated() {
            var entry = method.entry
            let hasTwin = methods.indices.contains { $0 != index && methods[$0].entry.label == entry.label }
            if hasTwin && !method.hasLabel {
                let given =
                    (entry.preset.map { [$0] } ?? [])
                    + entry.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                entry.label = ([entry.label] + given).joined(separator: " ")
            }
            guard self.methodNodes.updateValue(method.node, forKey: entry.label) == nil else {
                throw self.error(method.node, "method \(entry.label) is given twice; keep one, or give each a label")
            }
            guard !entry.label.isEmpty, entry.label.utf8.count <= 200,
                !entry.label.contains(where: { $0 == "/" || $0.isNewline })
            else { throw self.error(method.node, "a label has 1 to 200 bytes on one line, without /") }
            result.append(entry)
        }
        return result
    }

    private func seeds(_ node: Node?) throws(SweepFileError) -> [Int] {
        guard let node else { return Array(0..<5) }
        if let count = node.int {
            guard (1...SweepDefinition.seedLimit).contains(count) else {
                throw self.error(node, "seeds is \(count); give 1 to \(SweepDefinition.seedLimit), or a list")
            }
            return Array(0..<count)
        }
        var seeds: [Int] = []
        let items = try self.items(node, "seeds")
        guard items.count <= SweepDefinition.seedLimit else {
            throw self.error(node, "seeds lists \(items.count); a sweep has at most \(SweepDefinition.seedLimit)")
        }
        for item in items {
            guard let seed = item.int, (0...Int(UInt32.max)).contains(seed) else {
                throw self.error(
                    item,
                    "seed \"\(item.scalar?.string ?? "")\" is no whole number from 0 to \(UInt32.max)"
                )
            }
            guard !seeds.contains(seed) else { throw self.error(item, "seed \(seed) is given twice; keep one") }
            seeds.append(seed)
        }
        return seeds
    }

    private func overrides(
        _ node: Node?,
        tasks: [String],
        methods: [SweepDefinition.Method],
        seeds: [Int]
    ) throws(SweepFileError) -> [SweepDefinition.Override] {
        guard let node else { return [] }
        var overrides: [SweepDefinition.Override] = []
        for item in try self.items(node, "overrides") {
            let members = try self.members(item, of: "an override", known: ["match", "set", "source"])
            let matchNode = try self.required("match", members, in: item)
            var match: [String: [String]] = [:]
            for (key, value) in try self.members(matchNode, of: "match", known: SweepDefinition.Override.matchKeys) {
                let known =
                    switch key {
                    case "method": methods.map(\.label) + methods.map(\.method)
                    case "task": tasks + tasks.compactMap { try? TaskDescription.named($0).title }
                    default: seeds.map(String.init)
                    }
                match[key] = try self.items(value, key).map { (node) throws(SweepFileError) in
                    let name = try self.text(node, key)
                    // What matches nothing would silently change nothing.
                    guard known.contains(name) else {
                        throw self.error(
                            node,
                            "\(UnknownName(kind: "\(key) of this sweep", name: name, known: known.unique))"
                        )
                    }
                    return name
                }
            }
            let matched = match["method"].map { names in
                methods.filter { names.contains($0.label) || names.contains($0.method) }
            }
            let set = try self.settings(
                try self.required("set", members, in: item),
                of: (matched ?? methods).map(\.method)
            )
            let source = try self.source(members["source"])
            overrides.append(.init(match: match, set: set, source: source, line: item.mark?.line))
        }
        return overrides
    }

    private func needs(_ node: Node?) throws(SweepFileError) -> SweepDefinition.Needs {
        var needs = SweepDefinition.Needs()
        guard let node else { return needs }
        let members = try self.members(node, of: "needs", known: ["labels", "memory"])
        if let labels = members["labels"] {
            for item in try self.items(labels, "labels") {
                let label = try self.text(item, "a label")
                guard needs.labels.insert(label).inserted else {
                    throw self.error(item, "label \(label) is given twice; keep one")
                }
            }
            guard needs.labels.count <= SweepDefinition.labelLimit else {
                let limit = SweepDefinition.labelLimit
                throw self.error(labels, "labels lists \(needs.labels.count); a sweep asks for at most \(limit)")
            }
        }
        if let memory = members["memory"] { needs.memoryBytes = try self.bytes(memory, "memory") }
        return needs
    }

    private func kernelClass(_ node: Node?) throws(SweepFileError) -> String? {
        guard let node else { return nil }
        let name = try self.text(node, "kernelClass")
        guard SweepDefinition.kernelClasses.contains(name) else {
            let unknown = UnknownName(kind: "kernel class", name: name, known: SweepDefinition.kernelClasses)
            throw self.error(node, "\(unknown)")
        }
        return name
    }

    private func checkGrid(_ definition: SweepDefinition) throws(SweepFileError) {
        let count = definition.methods.count * definition.tasks.count * definition.seeds.count
        guard count <= SweepDefinition.shardLimit else {
            throw self.error(nil, "the grid has \(count) shards; a sweep has at most \(SweepDefinition.shardLimit)")
        }
        do {
            _ = try definition.shards()
        } catch {
            throw self.error((error as? PresetError)?.label.flatMap { self.methodNodes[$0] }, "\(error)")
        }
    }
}

extension [String] {
    /// Each element once, where it first stands.
    fileprivate var unique: [String] {
        var seen: Set<String> = []
        return self.filter { seen.insert($0).inserted }
    }
}
