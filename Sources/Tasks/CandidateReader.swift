import Foundation
internal import Sweeps

/// Reads the rows of SuperGLUE's tasks of choosing.
///
/// What a model reads: COPA the premise with its question ("What was the cause of this?", "What happened as a
/// result?"), and the choice; ReCoRD the passage with "- " for each `@highlight`, and the query with the candidate in
/// `@placeholder`'s place. ReCoRD's candidates are the passage's entities, each text once, in the order of their places.
struct CandidateReader {
    let isLabelled: Bool

    // MARK: COPA

    func choice(_ line: JSONLine) throws(TaskFileError) -> TaskRows.Row {
        let row = try line.decode(ChoiceRow.self)
        let names = [row.choice1, row.choice2]
        let question =
            switch row.question {
            case "cause": "What was the cause of this?"
            case "effect": "What happened as a result?"
            default: throw line.error("the question \"\(row.question.prefix(40))\" is neither cause nor effect")
            }
        let candidates = names.map { name in
            Candidate(text: TextPair(first: "\(row.premise) \(question)", second: name), name: name)
        }
        var result = TaskRows.Row(.candidates(candidates), id: [line.id])
        if self.isLabelled {
            guard let label = row.label else { throw line.error("has no label") }
            guard names.indices.contains(label) else { throw line.error("the label \(label) is neither 0 nor 1") }
            guard names[0] != names[1] else { throw line.error("both choices are the same") }
            result.label = .answers([Answer(text: names[label])])
        }
        return result
    }

    // MARK: ReCoRD

    /// Of one passage.
    private static let candidateLimit = 1000

    /// One row a query.
    func queries(_ line: JSONLine) throws(TaskFileError) -> [TaskRows.Row] {
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
        var result: [TaskRows.Row] = []
        for query in row.qas {
            guard query.query.contains("@placeholder") else { throw line.error("a query has no @placeholder") }
            let candidates = names.map { name in
                let text = TextPair(first: passage, second: query.query.replacing("@placeholder", with: name))
                return Candidate(text: text, name: name)
            }
            var row = TaskRows.Row(.candidates(candidates), id: [query.idx.map(String.init) ?? line.id])
            if self.isLabelled {
                let answers = (query.answers ?? []).map { Answer(text: $0.text) }
                guard !answers.isEmpty else { throw line.error("a query has no answers") }
                row.label = .answers(answers)
            }
            result.append(row)
        }
        return result
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
        var idx: Int?
        var answers: [Answer]?
    }

    struct Answer: Decodable {
        var text: String
    }

    var passage: Passage
    var qas: [Query]
}
