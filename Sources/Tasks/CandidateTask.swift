import Foundation
public import Sweeps

/// A choice among texts, which a model scores one by one: the highest score is the choice.
public struct CandidateExample: Hashable, Sendable {
    /// What the model reads for each candidate.
    public var texts: [TextPair]
    /// The candidates themselves, in the same order.
    public var names: [String]
    /// The right answers; nothing in files without labels. ReCoRD may have several.
    public var answers: [String]

    /// The candidates that are a right answer.
    public var correct: [Int] { self.names.indices.filter { self.answers.contains(self.names[$0]) } }
}

/// SuperGLUE's tasks of choosing.
///
/// What a model reads: COPA the premise with its question ("What was the cause of this?", "What happened as a
/// result?"), and the choice; ReCoRD the passage with "- " for each `@highlight`, and the query with the candidate in
/// `@placeholder`'s place. ReCoRD's candidates are the passage's entities, each text once, in the order of their places.
public enum CandidateTask: String, CaseIterable, Sendable {
    case copa
    case record

    /// The measures of the task: COPA accuracy, ReCoRD F1 and exact match.
    public var metrics: [MetricName] { self == .copa ? [.accuracy] : [.f1, .exactMatch] }

    /// The examples of a file of JSON objects, one a line, in the file's order; of ReCoRD one a query.
    ///
    /// - Throws: ``TaskFileError`` with the line that is no such object; also where the file has no rows.
    public func examples(path: String, isLabelled: Bool) throws(TaskFileError) -> [CandidateExample] {
        try self.examples(try TaskLines(path: path), isLabelled: isLabelled)
    }

    func examples(_ file: TaskLines, isLabelled: Bool) throws(TaskFileError) -> [CandidateExample] {
        var examples: [CandidateExample] = []
        for (index, bytes) in file.lines.enumerated() {
            let line = JSONLine(path: file.path, line: index + 1, bytes: bytes)
            switch self {
            case .copa: examples.append(try Self.choice(line, isLabelled: isLabelled))
            case .record: examples += try Self.queries(line, isLabelled: isLabelled)
            }
        }
        guard !examples.isEmpty else { throw TaskFileError(file.path, "has no rows") }
        return examples
    }

    /// Every measure of the task, and where it has several also their mean.
    ///
    /// Agrees with the published scorers: ReCoRD's compares texts as SQuAD 1.1's does. Of no examples not a number.
    ///
    /// - Parameter choices: for each example the index of the candidate with the highest score.
    public func score(_ choices: [Int], of examples: [CandidateExample]) -> [MetricName: Double] {
        precondition(choices.count == examples.count, "\(choices.count) choices for \(examples.count) examples")
        let chosen = zip(choices, examples).map { (name: $1.names[$0], answers: $1.answers) }
        switch self {
        case .copa:
            let right = zip(choices, examples).count { $1.correct.contains($0) }
            return [.accuracy: Double(right) / Double(examples.count)]
        case .record: return answerScore(chosen.map { ($0.name, $0.answers) }, .squad1)
        }
    }

    // MARK: COPA

    private static func choice(_ line: JSONLine, isLabelled: Bool) throws(TaskFileError) -> CandidateExample {
        let row = try line.decode(ChoiceRow.self)
        let names = [row.choice1, row.choice2]
        let question =
            switch row.question {
            case "cause": "What was the cause of this?"
            case "effect": "What happened as a result?"
            default: throw line.error("the question \"\(row.question.prefix(40))\" is neither cause nor effect")
            }
        var answers: [String] = []
        if isLabelled {
            guard let label = row.label else { throw line.error("has no label") }
            guard names.indices.contains(label) else { throw line.error("the label \(label) is neither 0 nor 1") }
            guard names[0] != names[1] else { throw line.error("both choices are the same") }
            answers = [names[label]]
        }
        let texts = names.map { TextPair(first: "\(row.premise) \(question)", second: $0) }
        return CandidateExample(texts: texts, names: names, answers: answers)
    }

    // MARK: ReCoRD

    /// Of one passage.
    private static let candidateLimit = 1000

    private static func queries(_ line: JSONLine, isLabelled: Bool) throws(TaskFileError) -> [CandidateExample] {
        let row = try line.decode(ReadingRow.self)
        let scalars = Array(row.passage.text.unicodeScalars)
        var names: [String] = []
        var known: Set<String> = []
        for entity in row.passage.entities.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
            guard 0 <= entity.start, entity.start <= entity.end, entity.end < scalars.count else {
                throw line.error("the entity \(entity.start)...\(entity.end) lies outside of the passage")
            }
            let name = String(String.UnicodeScalarView(scalars[entity.start...entity.end]))
            if known.insert(name).inserted { names.append(name) }
        }
        guard (1...Self.candidateLimit).contains(names.count) else {
            throw line.error("has \(names.count) entities, not 1 to \(Self.candidateLimit)")
        }
        let passage = row.passage.text.replacing("@highlight\n", with: "- ")
        var examples: [CandidateExample] = []
        for query in row.qas {
            guard query.query.contains("@placeholder") else { throw line.error("a query has no @placeholder") }
            let answers = isLabelled ? (query.answers ?? []).map(\.text) : []
            guard !isLabelled || !answers.isEmpty else { throw line.error("a query has no answers") }
            let texts = names.map { name in
                TextPair(first: passage, second: query.query.replacing("@placeholder", with: name))
            }
            examples.append(CandidateExample(texts: texts, names: names, answers: answers))
        }
        return examples
    }
}

private struct ChoiceRow: Decodable {
    var premise: String
    var choice1: String
    var choice2: String
    var question: String
    var label: Int?
}

private struct ReadingRow: Decodable {
    struct Passage: Decodable {
        var text: String
        var entities: [Entity]
    }

    /// Places count Unicode scalars; the last one belongs to the entity.
    struct Entity: Decodable {
        var start: Int
        var end: Int
    }

    struct Query: Decodable {
        var query: String
        var answers: [Answer]?
    }

    struct Answer: Decodable {
        var text: String
    }

    var passage: Passage
    var qas: [Query]
}
