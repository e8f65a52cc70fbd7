/// One hyperparameter: its name, what it may be, and what it is when nobody says.
public struct Setting: Sendable {
    /// What a hyperparameter may be.
    public enum Kind: Sendable {
        case flag
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        case choice([String])
        /// A list of some of these names, without repetition.
        case names([String])
    }

    public let name: String
    public let kind: Kind
    /// `nil`: absent unless given, and what that means is told in ``help``.
    public let defaultValue: SettingValue?
    /// Whether it decides a shard's result, and so is part of its key.
    public let decidesResult: Bool
    /// Whether a shard has it at its default too. Not where it came after the first results: their keys stay.
    public let isKeptAtDefault: Bool
    public let help: String

    init(
        _ name: String,
        _ kind: Kind,
        _ defaultValue: SettingValue? = nil,
        decidesResult: Bool = true,
        isKeptAtDefault: Bool = true,
        help: String
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.decidesResult = decidesResult
        self.isKeptAtDefault = isKeptAtDefault
        self.help = help
    }

    /// One of a type's cases.
    init<Choice: CaseIterable & RawRepresentable<String>>(
        _ name: String,
        default choice: Choice,
        decidesResult: Bool = true,
        isKeptAtDefault: Bool = true,
        help: String
    ) {
        self.init(
            name,
            .choice(Choice.allCases.map(\.rawValue)),
            .text(choice.rawValue),
            decidesResult: decidesResult,
            isKeptAtDefault: isKeptAtDefault,
            help: help
        )
    }

    /// The value as this setting's own kind: `1` becomes `1.0` where a number is asked for.
    ///
    /// - Throws: ``InvalidSetting`` for a value that the setting cannot have.
    public func checked(_ value: SettingValue) throws(InvalidSetting) -> SettingValue {
        switch (self.kind, value) {
        case (.flag, .flag): return value
        case (.integer(let range), .integer(let given)) where range.contains(given): return value
        case (.number(let range), .integer(let given)) where range.contains(Double(given)):
            return .number(Double(given))
        case (.number(let range), .number(let given)) where given.isFinite && range.contains(given): return value
        case (.choice(let names), .text(let given)) where names.contains(given): return value
        case (.names(let names), .text(let given)) where names.contains(given): return .list([given])
        case (.names(let names), .list(let given))
        where !given.isEmpty && Set(given).count == given.count && given.allSatisfy(names.contains):
            // In the setting's own order, so that the order in a grid decides nothing.
            return .list(names.filter(given.contains))
        default: throw InvalidSetting(setting: self.name, value: "\(value)", expected: self.expected)
        }
    }

    /// Reads the value from a command line or a YAML scalar.
    ///
    /// - Throws: ``InvalidSetting`` for a text that is no value of this setting.
    public func read(_ text: String) throws(InvalidSetting) -> SettingValue {
        let value: SettingValue? =
            switch self.kind {
            case .flag: Bool(text).map(SettingValue.flag)
            case .integer: Int(text).map(SettingValue.integer)
            case .number: Double(text).map(SettingValue.number)
            case .choice: .text(text)
            case .names: .list(text.split(separator: ",").map { $0.trimming(" ") })
            }
        guard let value else { throw InvalidSetting(setting: self.name, value: text, expected: self.expected) }
        return try self.checked(value)
    }

    private var expected: String {
        switch self.kind {
        case .flag: "true or false"
        case .integer(let range):
            range.upperBound == .max
                ? "a whole number of at least \(range.lowerBound)"
                : "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range):
            range.upperBound == .greatestFiniteMagnitude
                ? "a number of at least \(CanonicalJSON.number(range.lowerBound))"
                : "a number from \(CanonicalJSON.number(range.lowerBound)) to \(CanonicalJSON.number(range.upperBound))"
        case .choice(let names): "one of \(names.joined(separator: ", "))"
        case .names(let names): "a list of some of \(names.joined(separator: ", ")), each once"
        }
    }
}

/// A hyperparameter with a value that it cannot have.
public struct InvalidSetting: Error, Hashable, Sendable, CustomStringConvertible {
    public let setting: String
    public let value: String
    public let expected: String

    public var description: String { "\(self.setting) is \"\(self.value.prefix(80))\"; give \(self.expected)" }
}

extension Substring {
    func trimming(_ character: Character) -> String {
        var rest = self
        while rest.first == character { rest.removeFirst() }
        while rest.last == character { rest.removeLast() }
        return String(rest)
    }
}
