/// Who says a hyperparameter's value, and where.
public struct SettingSource: Hashable, Sendable, CustomStringConvertible {
    public enum Origin: String, Sendable, CaseIterable {
        /// The paper's text.
        case paper
        /// The code that its authors released.
        case repo
        /// What they answered to a question.
        case issue
        /// Nobody published it: it was chosen here.
        case ours
    }

    public var origin: Origin
    /// Such as `Table 8` or `SoRA#4`.
    public var place: String?

    public init(_ origin: Origin, _ place: String? = nil) {
        self.origin = origin
        self.place = place
    }

    /// The most bytes that a source has in a grid.
    public static let limitBytes = 200

    /// Reads `issue SoRA#4`: the origin, then the place, if any.
    ///
    /// - Throws: ``InvalidSetting`` for a text that is no source.
    public init(reading text: String) throws(InvalidSetting) {
        let parts = text.split(separator: " ", maxSplits: 1)
        guard text.utf8.count <= Self.limitBytes,
            !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }),
            let origin = parts.first.flatMap({ Origin(rawValue: String($0)) })
        else {
            throw InvalidSetting(
                setting: "source",
                value: text,
                expected: "paper, repo, issue or ours, then where it stands if you like, such as issue SoRA#4, "
                    + "on one line of at most \(Self.limitBytes) bytes"
            )
        }
        let place = parts.count > 1 ? parts[1].trimming(" ") : ""
        self.init(origin, place.isEmpty ? nil : place)
    }

    /// As a grid has it.
    public var description: String { self.origin.rawValue + (self.place.map { " \($0)" } ?? "") }
}

/// A hyperparameter's value with its source.
public struct SourcedValue: Hashable, Sendable {
    public var value: SettingValue
    public var source: SettingSource

    public init(_ value: SettingValue, _ source: SettingSource) {
        self.value = value
        self.source = source
    }
}

/// What set a hyperparameter's value; each one replaces what those before it set.
public enum SettingRule: Hashable, Sendable, CustomStringConvertible {
    /// Quintet's own default.
    case builtIn
    /// Quintet's default where another setting decides it.
    case follows(String)
    /// The grid's `defaults`.
    case defaults
    case preset(String)
    /// The method's own settings in the grid.
    case method
    /// The so-many-th of the grid's overrides, and its line.
    case override(Int, line: Int?)

    public var description: String {
        switch self {
        case .builtIn: "built in"
        case .follows(let name): "follows \(name)"
        case .defaults: "defaults"
        case .preset(let name): "preset \(name)"
        case .method: "method"
        case .override(let number, let line): "override \(number)" + (line.map { " (line \($0))" } ?? "")
        }
    }
}

/// Hyperparameters laid over each other, the later ones on top, each with what set it.
struct GivenSettings: Sendable {
    struct Value: Hashable, Sendable {
        var value: SettingValue
        var rule: SettingRule
        var source: SettingSource?
    }

    private(set) var values: [String: Value] = [:]

    var settings: Settings { self.values.mapValues(\.value) }

    mutating func apply(_ settings: Settings, rule: SettingRule, source: SettingSource?) {
        self.apply(settings.mapValues { Value(value: $0, rule: rule, source: source) })
    }

    mutating func apply(_ preset: [String: SourcedValue], named name: String) {
        self.apply(preset.mapValues { Value(value: $0.value, rule: .preset(name), source: $0.source) })
    }

    private mutating func apply(_ later: [String: Value]) {
        // Two ways to say one thing: the later one replaces the earlier.
        if later["warmupSteps"] != nil { self.values["warmupRatio"] = nil }
        if later["warmupRatio"] != nil { self.values["warmupSteps"] = nil }
        // And what is there for another setting alone goes with it.
        if later["schedule"]?.value == .text(SparsitySchedule.none.rawValue) { self.values["maximumSparsity"] = nil }
        self.values.merge(later) { $1 }
    }
}
