/// The one way to write a value as JSON, so that equal values have equal digests: no blanks, object keys in the
/// order of their UTF-8 bytes, whole numbers without a fraction, other numbers in the shortest form that reads back.
public indirect enum CanonicalJSON: Hashable, Sendable {
    case flag(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case array([CanonicalJSON])
    case object([String: CanonicalJSON])

    public init(_ value: SettingValue) {
        switch value {
        case .flag(let value): self = .flag(value)
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .number(value)
        case .text(let value): self = .text(value)
        case .list(let values): self = .array(values.map(Self.text))
        }
    }

    /// The value's one written form.
    public var written: String {
        switch self {
        case .flag(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): Self.number(value)
        case .text(let value): Self.quoted(value)
        case .array(let values): "[\(values.map(\.written).joined(separator: ","))]"
        case .object(let members):
            "{\(Self.inOrder(members).map { "\(Self.quoted($0.key)):\($0.value.written)" }.joined(separator: ","))}"
        }
    }

    /// Swift compares texts as people read them, where two spellings of "é" are equal; bytes are the same everywhere.
    private static func inOrder(_ members: [String: CanonicalJSON]) -> [(key: String, value: CanonicalJSON)] {
        members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    /// A number as in ``written``: `1` and `1.0` are the same value and look the same.
    static func number(_ value: Double) -> String {
        precondition(value.isFinite, "JSON has no \(value)")
        if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
        return String(value)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
