internal import Yams

// Reading of nodes, with the place of what is wrong.
extension SweepFileReader {
    /// What is no hyperparameter, and where it stands.
    private static let otherPlaces = [
        "preset": "a preset stands among one method's own settings: - sora: {preset: sora-repo}",
        "source": "an override's source stands beside its match and set",
    ]

    /// Settings that at least one of these methods has.
    ///
    /// - Parameter others: keys that stand beside them and are read elsewhere.
    func settings(_ node: Node?, of methods: [String], beside others: [String] = []) throws(SweepFileError) -> Settings
    {
        guard let node else { return [:] }
        let descriptions = MethodDescription.all.filter { methods.contains($0.name) }
        var settings: Settings = [:]
        for (key, value) in try self.pairs(node, of: "settings") where !others.contains(key.text) {
            let found = descriptions.lazy.compactMap { $0.allSettings.first { $0.name == key.text } }.first
            guard let setting = found else {
                if let place = Self.otherPlaces[key.text] { throw self.error(key.node, place) }
                do { _ = try descriptions[0].setting(key.text) } catch { throw self.error(key.node, "\(error)") }
                continue
            }
            do {
                if let items = value.sequence {
                    let texts = try items.map { (node) throws(SweepFileError) in try self.text(node, key.text) }
                    settings[key.text] = try setting.checked(.list(texts))
                } else {
                    settings[key.text] = try setting.read(try self.text(value, key.text))
                }
            } catch let error as SweepFileError { throw error } catch { throw self.error(value, "\(error)") }
        }
        if settings["warmupRatio"] != nil && settings["warmupSteps"] != nil {
            throw self.error(node, "warmupRatio and warmupSteps are both given; keep one")
        }
        return settings
    }

    /// Who says the settings beside it.
    func source(_ node: Node?) throws(SweepFileError) -> SettingSource? {
        guard let node else { return nil }
        let text = try self.text(node, "source")
        do { return try SettingSource(reading: text) } catch { throw self.error(node, "\(error)") }
    }

    func preset(_ node: Node?, method: String) throws(SweepFileError) -> String? {
        guard let node else { return nil }
        let name = try self.text(node, "preset")
        do {
            // Of any task: only the method decides whether the preset is for it.
            _ = try Preset.named(name).values(method: method, task: "")
        } catch { throw self.error(node, "\(error)") }
        return name
    }

    func required(_ key: String, _ members: [String: Node], in node: Node? = nil) throws(SweepFileError) -> Node {
        guard let value = members[key] else { throw self.error(node, "\(key) is missing; add \"\(key): …\"") }
        return value
    }

    func pairs(_ node: Node, of what: String) throws(SweepFileError) -> [(
        key: (text: String, node: Node), value: Node
    )] {
        guard let mapping = node.mapping else {
            throw self.error(node, "\(what) must be names with values, such as {epochs: 3}")
        }
        var pairs: [(key: (text: String, node: Node), value: Node)] = []
        for (key, value) in mapping { pairs.append((key: (try self.text(key, "a key"), key), value: value)) }
        return pairs
    }

    func members(_ node: Node, of what: String, known: [String]) throws(SweepFileError) -> [String: Node] {
        var members: [String: Node] = [:]
        for (key, value) in try self.pairs(node, of: what) {
            guard known.contains(key.text) else {
                let isSetting = Hyperparameters.settings.contains { $0.name == key.text }
                let hint = isSetting ? "; a hyperparameter belongs under defaults" : ""
                throw self.error(
                    key.node,
                    "\(UnknownName(kind: "key of \(what)", name: key.text, known: known))\(hint)"
                )
            }
            members[key.text] = value
        }
        return members
    }

    /// A list, or one value standing for a list of one.
    func items(_ node: Node, _ what: String) throws(SweepFileError) -> [Node] {
        if let sequence = node.sequence {
            guard !sequence.isEmpty else { throw self.error(node, "\(what) is an empty list; give at least one") }
            return Array(sequence)
        }
        guard node.scalar != nil else { throw self.error(node, "\(what) must be a list") }
        return [node]
    }

    func integer(_ node: Node?, _ what: String, in range: ClosedRange<Int>) throws(SweepFileError) -> Int? {
        guard let node else { return nil }
        guard let value = node.int, range.contains(value) else {
            let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
            throw self.error(node, "\(what) is \"\(node.scalar?.string.prefix(80) ?? "")\"; give \(expected)")
        }
        return value
    }

    /// `8 GiB` or `512 MiB`.
    func bytes(_ node: Node, _ what: String) throws(SweepFileError) -> Int {
        let text = try self.text(node, what)
        let units = [" GiB": 1024, " MiB": 1]
        let limit = SweepDefinition.memoryLimitGibibytes * 1024
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.key) }),
            let count = Double(text.dropLast(unit.count)), count > 0, count * Double(factor) <= Double(limit)
        else { throw self.error(node, "\(what) is \"\(text.prefix(80))\"; give a size such as 8 GiB or 512 MiB") }
        return Int(count * Double(factor << 20))
    }

    func text(_ node: Node, _ what: String) throws(SweepFileError) -> String {
        guard let text = node.scalar?.string, !text.isEmpty else {
            throw self.error(node, "\(what) must be a single value")
        }
        return text
    }
}
