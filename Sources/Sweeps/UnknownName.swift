/// A name that is not in a list of known ones; its message offers the nearest.
public struct UnknownName: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was named: `task`, `method`, `hyperparameter` …
    public let kind: String
    public let name: String
    public let known: [String]

    public init(kind: String, name: String, known: [String]) {
        self.kind = kind
        self.name = name
        self.known = known
    }

    public var description: String {
        let shown = self.name.count > 80 ? "\(self.name.prefix(80))…" : self.name
        let rest = self.known.count - Self.listedLimit
        let listed = self.known.prefix(Self.listedLimit) + (rest > 0 ? ["and \(rest) more"] : [])
        let suggestion = self.nearest.map { "did you mean \"\($0)\"?" } ?? "known: \(listed.joined(separator: ", "))"
        return "unknown \(self.kind) \"\(shown)\"; \(suggestion)"
    }

    private static let listedLimit = 40

    /// The known name with the fewest edits, if these are few enough to be a slip.
    public var nearest: String? {
        let wanted = self.name.lowercased()
        guard wanted.count <= 80 else { return nil }
        if let longer = self.known.first(where: { $0.lowercased().hasPrefix(wanted + "-") }) { return longer }
        let ranked = self.known.map { (name: $0, edits: editDistance(wanted, $0.lowercased())) }
        guard let best = ranked.min(by: { ($0.edits, $0.name) < ($1.edits, $1.name) }) else { return nil }
        return best.edits <= max(2, best.name.count / 3) ? best.name : nil
    }
}

/// The fewest insertions, deletions and replacements that turn one text into the other (Levenshtein 1966).
func editDistance(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first), Array(second))
    var row = Array(0...second.count)
    for (i, left) in first.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, right) in second.enumerated() {
            let above = row[j + 1]
            row[j + 1] = left == right ? diagonal : 1 + min(diagonal, above, row[j])
            diagonal = above
        }
    }
    return row[second.count]
}
