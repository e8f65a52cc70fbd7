/// What both towers know of a fine-tuning method: its name and its own hyperparameters. What it computes is in
/// `Adapters`, one file a method.
public struct MethodDescription: Sendable {
    public let name: String
    public let settings: [Setting]

    /// What is wrong with settings that are each in range, in one line.
    let conflict: @Sendable (ResolvedSettings) -> String?
    /// Settings that decide nothing beside the others as they are: shards do not have them.
    let idle: @Sendable (ResolvedSettings) -> [String]

    init(
        name: String,
        settings: [Setting],
        conflict: @escaping @Sendable (ResolvedSettings) -> String? = { _ in nil },
        idle: @escaping @Sendable (ResolvedSettings) -> [String] = { _ in [] }
    ) {
        self.name = name
        self.settings = settings
        self.conflict = conflict
        self.idle = idle
    }

    /// The linear layers of a block, in the order of the forward pass.
    public static let linearLayers = ["query", "key", "value", "attentionOutput", "intermediate", "output"]

    /// Every method that a grid may name.
    public static let all = [full, bitFit, houlsby, pfeiffer, lora, adaLoRA, soRA, aLoRA]

    /// The method of that name.
    ///
    /// - Throws: ``UnknownName`` with the nearest name.
    public static func named(_ name: String) throws(UnknownName) -> MethodDescription {
        if let method = Self.all.first(where: { $0.name == name }) { return method }
        throw UnknownName(kind: "method", name: name, known: Self.all.map(\.name))
    }

    /// The common hyperparameters and the method's own, in the order in which they are listed.
    public var allSettings: [Setting] { Hyperparameters.settings + self.settings }

    /// The setting of that name.
    ///
    /// - Throws: ``UnknownName`` with the nearest name, also where another method has such a setting.
    public func setting(_ name: String) throws(UnknownName) -> Setting {
        if let setting = self.allSettings.first(where: { $0.name == name }) { return setting }
        let owners = Self.all.filter { $0.settings.contains { $0.name == name } }.map(\.name)
        let kind =
            owners.isEmpty
            ? "hyperparameter" : "hyperparameter of \(self.name) (it belongs to \(owners.joined(separator: ", ")))"
        throw UnknownName(kind: kind, name: name, known: self.allSettings.map(\.name))
    }

    /// Every setting with its value: what is given, else its default; settings without either are absent.
    ///
    /// - Throws: ``InvalidSettings`` naming what is unknown, out of range or in conflict.
    public func resolve(_ given: Settings) throws(InvalidSettings) -> Settings {
        do {
            var resolved: Settings = [:]
            for setting in self.allSettings { resolved[setting.name] = setting.defaultValue }
            for (name, value) in given.sorted(by: { $0.key < $1.key }) {
                resolved[name] = try self.setting(name).checked(value)
            }
            for setting in self.allSettings where !setting.isKeptAtDefault {
                if resolved[setting.name] == setting.defaultValue { resolved[setting.name] = nil }
            }
            // Steps, where given, decide alone: the ratio's default gives way.
            if given["warmupSteps"] != nil {
                if given["warmupRatio"] != nil {
                    throw InvalidSettings("warmupRatio and warmupSteps are both given; keep one")
                }
                resolved["warmupRatio"] = nil
            }
            // Said or not, the same checkpoint is the same shard.
            if resolved["checkpoint"] == nil, case .text(let name) = resolved["protocol"] {
                resolved["checkpoint"] = SplitProtocol(rawValue: name).map { .text($0.defaultCheckpoint) }
            }
            if let conflict = self.conflict(ResolvedSettings(resolved)) { throw InvalidSettings(conflict) }
            for name in self.idle(ResolvedSettings(resolved)) { resolved[name] = nil }
            return resolved
        } catch let error as InvalidSettings {
            throw error
        } catch {
            throw InvalidSettings("\(error)")
        }
    }
}

/// Hyperparameters that cannot be used, and why.
public struct InvalidSettings: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
