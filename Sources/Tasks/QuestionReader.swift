import Foundation
internal import Sweeps

/// Reads SQuAD's files, 1.1 or 2.0, whose questions may have no answer.
struct QuestionReader {
    let task: TaskDescription

    /// The questions in the file's order, each with its gold answers: several in dev, none where the context has none.
    ///
    /// - Throws: ``TaskFileError`` with the question whose answer is not where the file says, or that lacks one.
    func read(path: String, bytes: [UInt8], isLabelled: Bool) throws(TaskFileError) -> TaskRows {
        let file: SquadFile
        do {
            file = try JSONDecoder().decode(SquadFile.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw TaskFileError(path, error.plainReason)
        } catch {
            throw TaskFileError(path, "is no JSON object")
        }
        var (result, ids) = (TaskRows(), Set<String>())
        for paragraph in file.data.lazy.flatMap(\.paragraphs) {
            let context = Array(paragraph.context.unicodeScalars)
            for row in paragraph.qas {
                func error(_ reason: String) -> TaskFileError {
                    TaskFileError(path, "question \(row.id.prefix(40)) \(reason)")
                }
                guard ids.insert(row.id).inserted else { throw error("is there twice") }
                let answers = row.isImpossible == true ? [] : row.answers
                guard !answers.isEmpty || self.task.answerRules == .squad2 else {
                    throw error("has no answer; of SQuAD 2.0's files the task is squad-2")
                }
                let reading = Reading.question(row.question, context: paragraph.context)
                var gold: [Answer] = []
                for answer in answers {
                    let text = Array(answer.text.unicodeScalars)
                    guard answer.start >= 0, answer.start <= context.count - text.count,
                        context[answer.start..<answer.start + text.count].elementsEqual(text)
                    else { throw error("has \"\(answer.text.prefix(40))\" not at \(answer.start) of its context") }
                    gold.append(Answer(text: answer.text, place: answer.start..<answer.start + text.count))
                }
                result.rows.append(TaskRows.Row(reading, label: isLabelled ? .answers(gold) : nil, id: [row.id]))
            }
        }
        guard !result.rows.isEmpty else { throw TaskFileError(path, "has no questions") }
        return result
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
