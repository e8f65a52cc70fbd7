/// The hyperparameters of a paper or of its released code, by method and task, each with its source.
///
/// A preset says only what was published: what it does not know of a task is an error until somebody gives it, never a
/// guess. Where a paper is silent, its preset has the release's value, whose source says so.
public struct Preset: Sendable {
    /// What a preset knows of one method.
    struct MethodValues: Sendable {
        /// By ``MethodDescription/name``.
        let method: String
        /// For every task.
        let common: [String: SourcedValue]
        /// Beside them, by ``TaskDescription/name``; `mnli` stands for its two parts too.
        let tasks: [String: [String: SourcedValue]]
        /// What a run needs and Quintet's defaults would only guess.
        let needed: [String]
    }

    public let name: String
    /// Where its values were looked for.
    public let places: String
    let methods: [MethodValues]

    /// Every preset that a grid may name.
    public static let all = [adaLoRAPaper, adaLoRARepo, soRAPaper, soRARepo, aLoRAPaper]

    /// The preset of that name.
    ///
    /// - Throws: ``UnknownName`` with the nearest name.
    public static func named(_ name: String) throws(UnknownName) -> Preset {
        if let preset = Self.all.first(where: { $0.name == name }) { return preset }
        throw UnknownName(kind: "preset", name: name, known: Self.all.map(\.name))
    }

    /// The methods that it is for.
    public var methodNames: [String] { self.methods.map(\.method) }

    /// All that it knows of a method on a task.
    ///
    /// - Throws: ``PresetError`` for a method that it is not for.
    public func values(method: String, task: String) throws(PresetError) -> [String: SourcedValue] {
        let known = try self.known(of: method)
        return known.common.merging(known.tasks[Self.family(task)] ?? [:]) { $1 }
    }

    /// What a run needs that neither it nor these settings say.
    ///
    /// - Throws: ``PresetError`` for a method that it is not for.
    public func missing(method: String, task: String, given: Settings = [:]) throws(PresetError) -> [String] {
        let values = try self.values(method: method, task: task)
        let said = Set(values.keys).union(given.keys)
        return try self.known(of: method).needed.filter { name in
            !said.contains(name) && !(name == "warmupSteps" && said.contains("warmupRatio"))
        }
    }

    /// Its values, and over them a run's own settings: what ``MethodDescription/resolve(_:)`` takes.
    ///
    /// - Throws: ``PresetError`` for a method that it is not for, and where neither says what a run needs.
    public func settings(method: String, task: String, replacedBy own: Settings = [:]) throws(PresetError) -> Settings {
        try self.check(own, method: method, task: task)
        var given = GivenSettings()
        given.apply(try self.values(method: method, task: task), named: self.name)
        given.apply(own, rule: .method, source: nil)
        return given.settings
    }

    /// Checks that nothing is missing.
    ///
    /// - Parameter label: the method's in a grid, for whoever catches the error.
    func check(_ given: Settings, method: String, task: String, label: String? = nil) throws(PresetError) {
        let missing = try self.missing(method: method, task: task, given: given)
        guard missing.isEmpty else {
            throw PresetError(
                "preset \(self.name) does not know \(missing.joined(separator: ", ")) of \(method) for \(task) "
                    + "(looked for in \(self.places)); give what you choose yourself",
                label: label
            )
        }
    }

    private func known(of method: String) throws(PresetError) -> MethodValues {
        if let known = self.methods.first(where: { $0.method == method }) { return known }
        let others = Self.all.filter { $0.methodNames.contains(method) }.map(\.name)
        throw PresetError(
            "preset \(self.name) is for \(self.methodNames.joined(separator: ", ")), not for \(method)"
                + (others.isEmpty ? "" : "; for that there is \(others.joined(separator: ", "))")
        )
    }

    /// MNLI's two dev sets are two tasks with one training set.
    private static func family(_ task: String) -> String { ["mnli-m", "mnli-mm"].contains(task) ? "mnli" : task }
}

/// A preset that cannot be used, or not alone, and why.
public struct PresetError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    /// The method's label in a grid.
    let label: String?

    init(_ description: String, label: String? = nil) {
        self.description = description
        self.label = label
    }
}

extension SettingSource {
    /// These settings, by this source.
    func says(_ settings: Settings) -> [String: SourcedValue] { settings.mapValues { SourcedValue($0, self) } }
}

extension [String: SourcedValue] {
    /// These values, and over them others.
    func with(_ others: [String: SourcedValue]...) -> Self {
        others.reduce(self) { values, more in values.merging(more) { $1 } }
    }

    /// These values but those.
    func without(_ names: String...) -> Self { self.filter { !names.contains($0.key) } }
}
