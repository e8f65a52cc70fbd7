import Foundation
internal import Sweeps

/// Reads SuperGLUE's files, one JSON object a line.
///
/// What a model reads: BoolQ question and passage; CB and RTE premise and hypothesis; MultiRC passage, and question and
/// answer after a blank, one example an answer; WiC both sentences, in each the word between `*`; WSC the text with the
/// pronoun between `*`, and the noun; COPA and ReCoRD as ``CandidateReader`` says.
struct ObjectReader {
    let task: TaskDescription

    /// - Parameter isLabelled: whether the file is one with labels.
    /// - Throws: ``TaskFileError`` with the line that is no such object; also where the file has no rows.
    func read(_ file: TaskLines, isLabelled: Bool) throws(TaskFileError) -> TaskRows {
        var (result, questions) = (TaskRows(), 0)
        for (index, bytes) in file.lines.enumerated() {
            let line = JSONLine(path: file.path, line: index + 1, bytes: bytes)
            switch self.task.name {
            case "multirc": result.rows += try self.answers(line, isLabelled: isLabelled, questions: &questions)
            case "copa": result.rows.append(try CandidateReader(isLabelled: isLabelled).choice(line))
            case "record": result.rows += try CandidateReader(isLabelled: isLabelled).queries(line)
            default: result.rows.append(try self.row(line, isLabelled: isLabelled))
            }
        }
        guard !result.rows.isEmpty else { throw TaskFileError(file.path, "has no rows") }
        return result
    }

    private func row(_ line: JSONLine, isLabelled: Bool) throws(TaskFileError) -> TaskRows.Row {
        let (text, label) = try self.textAndLabel(line)
        var row = TaskRows.Row(.text(text), id: [line.id])
        if isLabelled {
            guard let label else { throw line.error("has no label") }
            row.label = try self.task.labels.label(label.text, path: line.path, line: line.line)
        }
        return row
    }

    private func textAndLabel(_ line: JSONLine) throws(TaskFileError) -> (TextPair, LabelText?) {
        switch self.task.name {
        case "boolq":
            let row = try line.decode(QuestionRow.self)
            return (TextPair(first: row.question, second: row.passage), row.label)
        case "cb", "rte":
            let row = try line.decode(InferenceRow.self)
            return (TextPair(first: row.premise, second: row.hypothesis), row.label)
        case "wic":
            let row = try line.decode(WordRow.self)
            guard let first = starring(row.sentence1, row.start1, row.end1),
                let second = starring(row.sentence2, row.start2, row.end2)
            else { throw line.error("the word's place lies outside of its sentence") }
            return (TextPair(first: first, second: second), row.label)
        case "wsc":
            let row = try line.decode(PronounRow.self)
            let target = row.target
            guard let text = starring(row.text, word: target.pronounIndex) else {
                throw line.error("the text has no word \(target.pronounIndex) (span2_index)")
            }
            return (TextPair(first: text, second: target.noun), row.label)
        default: preconditionFailure("\(self.task.name) has no files of JSON objects")
        }
    }

    private func answers(
        _ line: JSONLine,
        isLabelled: Bool,
        questions: inout Int
    ) throws(TaskFileError) -> [TaskRows.Row] {
        let passage = try line.decode(PassageRow.self).passage
        var rows: [TaskRows.Row] = []
        for (questionPlace, question) in passage.questions.enumerated() {
            for (answerPlace, answer) in question.answers.enumerated() {
                let text = TextPair(first: passage.text, second: "\(question.question) \(answer.text)")
                var row = TaskRows.Row(
                    .text(text),
                    group: questions,
                    id: [line.id, String(question.idx ?? questionPlace), String(answer.idx ?? answerPlace)]
                )
                if isLabelled {
                    guard let label = answer.label else { throw line.error("an answer has no label") }
                    row.label = try self.task.labels.label(label.text, path: line.path, line: line.line)
                }
                rows.append(row)
            }
            questions += 1
        }
        return rows
    }
}

/// A line that is to be a JSON object.
struct JSONLine {
    let path: String
    let line: Int
    let bytes: ArraySlice<UInt8>

    func decode<Row: Decodable>(_ type: Row.Type) throws(TaskFileError) -> Row {
        do {
            return try JSONDecoder().decode(type, from: Data(self.bytes))
        } catch let error as DecodingError {
            throw self.error(error.plainReason)
        } catch {
            throw self.error("is no JSON object")
        }
    }

    func error(_ reason: String) -> TaskFileError { TaskFileError(self.path, line: self.line, reason) }

    /// The object's `idx`, else its place in the file.
    var id: String {
        struct Numbered: Decodable { var idx: Int? }
        let idx = (try? self.decode(Numbered.self))?.idx
        return String(idx ?? self.line - 1)
    }
}

extension DecodingError {
    /// What is wrong, for somebody who looks at the file.
    var plainReason: String {
        func name(_ path: [any CodingKey]) -> String {
            path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        }
        switch self {
        case .keyNotFound(let key, let context): return "lacks \"\(name(context.codingPath + [key]))\""
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "has something else than expected as \"\(name(context.codingPath))\""
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "has something else than expected as \"\(name(context.codingPath))\""
        case .dataCorrupted: return "is no JSON object"
        @unknown default: return "is not as expected"
        }
    }
}

/// A label in any of the forms that SuperGLUE has: a text, true or false, a number.
struct LabelText: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let flag = try? container.decode(Bool.self) {
            self.text = String(flag)
        } else if let number = try? container.decode(Int.self) {
            self.text = String(number)
        } else {
            self.text = try container.decode(String.self)
        }
    }
}

private struct QuestionRow: Decodable {
    var question: String
    var passage: String
    var label: LabelText?

    private enum CodingKeys: String, CodingKey {
        case question, passage, label
        /// The original release's name for the label.
        case answer
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.question = try values.decode(String.self, forKey: .question)
        self.passage = try values.decode(String.self, forKey: .passage)
        self.label =
            try values.decodeIfPresent(LabelText.self, forKey: .label)
            ?? values.decodeIfPresent(LabelText.self, forKey: .answer)
    }
}

private struct InferenceRow: Decodable {
    var premise: String
    var hypothesis: String
    var label: LabelText?
}

/// Places count Unicode scalars.
private struct WordRow: Decodable {
    var sentence1: String
    var sentence2: String
    var start1: Int
    var end1: Int
    var start2: Int
    var end2: Int
    var label: LabelText?
}

private struct PronounRow: Decodable {
    struct Target: Decodable {
        var noun: String
        /// Counts words between white space.
        var pronounIndex: Int

        private enum CodingKeys: String, CodingKey {
            case noun = "span1_text"
            case pronounIndex = "span2_index"
        }
    }

    var text: String
    var target: Target
    var label: LabelText?
}

private struct PassageRow: Decodable {
    struct Passage: Decodable {
        var text: String
        var questions: [Question]
    }

    struct Question: Decodable {
        var idx: Int?
        var question: String
        var answers: [Answer]
    }

    struct Answer: Decodable {
        var idx: Int?
        var text: String
        var label: LabelText?
    }

    var passage: Passage
}

/// The text with `*` around the Unicode scalars `start..<end`; nil where there are none.
private func starring(_ text: String, _ start: Int, _ end: Int) -> String? {
    let scalars = Array(text.unicodeScalars)
    guard 0 <= start, start < end, end <= scalars.count else { return nil }
    var result = String.UnicodeScalarView()
    result += scalars[..<start] + ["*"] + scalars[start..<end] + ["*"] + scalars[end...]
    return String(result)
}

/// The text with `*` around a word, which white space parts from others; nil where it has no such word.
private func starring(_ text: String, word: Int) -> String? {
    let scalars = Array(text.unicodeScalars)
    let words = scalars.indices.split { scalars[$0].properties.isWhitespace }
    guard words.indices.contains(word), let first = words[word].first, let last = words[word].last else { return nil }
    return starring(text, first, last + 1)
}
