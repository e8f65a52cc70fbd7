import Foundation

/// A question about a text, whose answer is a part of that text or none.
public struct Question: Hashable, Sendable {
    /// A part of the context, in its Unicode scalars.
    public struct Answer: Hashable, Sendable {
        public var text: String
        public var place: Range<Int>
    }

    public var id: String
    public var question: String
    public var context: String
    /// The gold answers: several in dev, none where the context does not answer (SQuAD 2.0).
    public var answers: [Answer]
}

/// SQuAD's files, 1.1 or 2.0.
public struct QuestionFile: Hashable, Sendable {
    /// In the file's order.
    public let questions: [Question]
    /// 2.0, where questions may have no answer; else 1.1.
    public let rules: AnswerRules

    /// - Throws: ``TaskFileError`` with the question whose answer is not where the file says.
    public init(path: String) throws(TaskFileError) {
        try self.init(path: path, bytes: try TaskLines.bytes(path))
    }

    init(path: String, bytes: [UInt8]) throws(TaskFileError) {
        let file: SquadFile
        do {
            file = try JSONDecoder().decode(SquadFile.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw TaskFileError(path, error.plainReason)
        } catch {
            throw TaskFileError(path, "is no JSON object")
        }
        var (questions, isSecond) = ([Question](), false)
        var ids: Set<String> = []
        for paragraph in file.data.lazy.flatMap(\.paragraphs) {
            let context = Array(paragraph.context.unicodeScalars)
            for row in paragraph.qas {
                if row.isImpossible != nil { isSecond = true }
                guard ids.insert(row.id).inserted else {
                    throw TaskFileError(path, "has question \(row.id.prefix(40)) twice")
                }
                var answers: [Question.Answer] = []
                for answer in row.isImpossible == true ? [] : row.answers {
                    let text = Array(answer.text.unicodeScalars)
                    guard answer.start >= 0, answer.start <= context.count - text.count,
                        context[answer.start..<answer.start + text.count].elementsEqual(text)
                    else {
                        let shown = "\"\(answer.text.prefix(40))\" is not at \(answer.start) of the context"
                        throw TaskFileError(path, "question \(row.id.prefix(40)): \(shown)")
                    }
                    let place = answer.start..<answer.start + text.count
                    answers.append(Question.Answer(text: answer.text, place: place))
                }
                let question = Question(
                    id: row.id,
                    question: row.question,
                    context: paragraph.context,
                    answers: answers
                )
                questions.append(question)
            }
        }
        guard !questions.isEmpty else { throw TaskFileError(path, "has no questions") }
        self.questions = questions
        self.rules = isSecond ? .squad2 : .squad1
    }
}

private struct SquadFile: Decodable {
    struct Article: Decodable {
        var paragraphs: [Paragraph]
    }

    struct Paragraph: Decodable {
        var context: String
        var qas: [Row]
    }

    struct Row: Decodable {
        var id: String
        var question: String
        var answers: [Answer]
        var isImpossible: Bool?

        private enum CodingKeys: String, CodingKey {
            case id, question, answers
            case isImpossible = "is_impossible"
        }
    }

    struct Answer: Decodable {
        var text: String
        var start: Int

        private enum CodingKeys: String, CodingKey {
            case text
            case start = "answer_start"
        }
    }

    var data: [Article]
}
