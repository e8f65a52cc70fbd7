import Adapters
import Encoders
import Foundation
import Layers
import Sweeps
import Tensors
import Testing
import Tokenizers

@testable import Tasks
@testable import Training

/// Tasks whose answers are words: choices among candidates, and parts of a context.
@Suite struct AnswerTasksTests {
    private static let telling = ["warm", "dull", "rich", "grim", "sweet", "weak"]

    private static func write(_ files: [String: String], into folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
    }

    /// Contexts of many words, one of them telling: the answer.
    ///
    /// - Parameter unanswered: every so many have no such word, and no answer (SQuAD 2.0).
    private static func questions(_ count: Int, seed: UInt64, unanswered: Int? = nil) -> String {
        let numbers = RandomStream(seed: seed, stream: 1)
        let plain = ["the", "story", "film", "of", "a", "river", "in", "morning", "light", "was", "so"]
        let rows = (0..<count).map { row in
            let length = 20 + Int(numbers.uniform(at: 1000 * row) * 30)
            var words = (0..<length).map { plain[Int(numbers.uniform(at: 1000 * row + $0 + 1) * Float(plain.count))] }
            let place = Int(numbers.uniform(at: 1000 * row + 500) * Float(length))
            let isUnanswered = unanswered.map { row % $0 == 0 } ?? false
            if !isUnanswered { words[place] = Self.telling[row % Self.telling.count] }
            let start = words[..<place].joined(separator: " ").count + (place > 0 ? 1 : 0)
            let answer = #"{"text": "\#(words[place])", "answer_start": \#(start)}"#
            let answers = isUnanswered ? #"[], "is_impossible": true"# : "[\(answer)]"
            let question = #"{"id": "\#(row)", "question": "was it so", "answers": \#(answers)}"#
            return #"{"context": "\#(words.joined(separator: " "))", "qas": [\#(question)]}"#
        }
        return #"{"data": [{"paragraphs": [\#(rows.joined(separator: ", "))]}]}"#
    }

    /// Goal: spans are learned over windows, and found in the best of them. Method: the answer is the only telling word
    /// of contexts that take up to three windows.
    @Test func `parts of long contexts are learned`() throws {
        let shard = try SmallShard()
        let files = ["train-v1.1.json": Self.questions(300, seed: 1), "dev-v1.1.json": Self.questions(40, seed: 2)]
        try Self.write(files, into: shard.folder + "/squad")
        let settings: Settings = [
            "protocol": .text("fullDev"), "trainingExamples": .integer(300), "epochs": .integer(8),
            "maximumLength": .integer(24), "learningRate": .number(3e-3),
        ]
        let order = try shard.order(method: "full", task: "squad", settings)
        let (result, _) = try shard.train(order, name: "squad")
        #expect(result.scored.samples == 40)
        #expect(result.steps > 8 * 300 / 8, "windows are examples of their own")
        #expect(try #require(result.scored.metrics[.exactMatch]) > 0.9)
        // Once more with tokens that are kept by the first of its runs and read by the others.
        var other = try shard.order(method: "full", task: "squad", threads: 2, settings)
        other.tokensFolder = shard.folder + "/tokens"
        let (again, _) = try shard.train(other, stopsAfter: [3, 50], name: "again")
        #expect(again.parametersDigest == result.parametersDigest && again.scored.loss == result.scored.loss)
    }

    /// Goal: that there is no answer is learned too. Method: one in three contexts has no telling word.
    @Test func `no answer is an answer of SQuAD 2-0`() throws {
        let shard = try SmallShard()
        let files = [
            "train-v2.0.json": Self.questions(300, seed: 3, unanswered: 3),
            "dev-v2.0.json": Self.questions(60, seed: 4, unanswered: 3),
        ]
        try Self.write(files, into: shard.folder + "/squad")
        let settings: Settings = [
            "protocol": .text("fullDev"), "trainingExamples": .integer(300), "epochs": .integer(8),
            "maximumLength": .integer(60), "learningRate": .number(3e-3),
        ]
        let (result, _) = try shard.train(shard.order(method: "full", task: "squad-2", settings), name: "squad-2")
        #expect(result.steps == 8 * 38, "every context is one window")
        #expect(try #require(result.scored.metrics[.exactMatch]) > 0.9)
    }

    /// A passage with two telling words as candidates; the glad one is right.
    private static func passages(_ count: Int) -> String {
        (0..<count).map { row in
            let right = ["warm", "rich", "sweet"][row % 3]
            let both = [right, ["dull", "grim", "weak"][row / 3 % 3]]
            let (first, second) = row % 2 == 0 ? (both[0], both[1]) : (both[1], both[0])
            let text = "the \(first) film and the \(second) story"
            func entity(_ word: String) -> String {
                let start = text.distance(
                    from: text.startIndex,
                    to: text.range(of: word)?.lowerBound ?? text.startIndex
                )
                return #"{"start": \#(start), "end": \#(start + word.count - 1)}"#
            }
            let query = #"{"query": "@placeholder was the film", "answers": [{"text": "\#(right)"}]}"#
            let entities = "[\(entity(first)), \(entity(second))]"
            return #"{"passage": {"text": "\#(text)", "entities": \#(entities)}, "qas": [\#(query)]}"#
        }.joined(separator: "\n")
    }

    @Test func `choices among candidates are learned`() throws {
        let shard = try SmallShard()
        try Self.write(
            ["train.jsonl": Self.passages(30), "val.jsonl": Self.passages(30)],
            into: shard.folder + "/ReCoRD"
        )
        let order = try shard.order(
            method: "full",
            task: "record",
            ["protocol": .text("fullDev"), "epochs": .integer(30), "learningRate": .number(3e-3)]
        )
        let (result, _) = try shard.train(order, name: "record")
        #expect(result.scored.samples == 30)
        #expect(try #require(result.scored.metrics[.exactMatch]) > 0.8)
        let copa = (0..<24).map { row in
            let words = row % 2 == 0 ? ["warm", "dull"] : ["weak", "rich"]
            let premise = #""premise": "the story.", "question": "cause", "label": \#(row % 2)"#
            return #"{\#(premise), "choice1": "it was \#(words[0])", "choice2": "it was \#(words[1])"}"#
        }.joined(separator: "\n")
        try Self.write(["train.jsonl": copa, "val.jsonl": copa], into: shard.folder + "/COPA")
        let (choice, _) = try shard.train(
            try shard.order(method: "full", task: "copa", ["protocol": .text("fullDev"), "epochs": .integer(10)]),
            name: "copa"
        )
        #expect(choice.scored.metrics == [.accuracy: 1])
    }

    /// Goal: an example with more candidates than a pass takes has the gradients of one pass, dropout included.
    @Test func `candidates in several passes have the gradients of one`() throws {
        let shard = try SmallShard()
        let task = try TaskDescription.named("record")
        let encoder = ExampleEncoder(
            source: TokenSource(try loadTokenizer(folder: shard.folder + "/backbone"), nil),
            maximumLength: 16,
            windowOverlap: 4
        )
        let candidates = (0..<20).map { index in
            let text = TextPair(first: "the film was", second: Self.telling[index % 6] + " and so")
            return Candidate(text: text, name: "\(index)")
        }
        let answers = [Answer(text: "3"), Answer(text: "11")]
        let example = encoder.encode(Example(.candidates(candidates), label: .answers(answers)))
        func gradients(passTokens: Int) throws -> (loss: Double, values: [Float]) {
            let settings = try MethodDescription.named("full").resolve(["dropout": .number(0.1)])
            let model = try Model(
                folder: shard.folder + "/backbone",
                method: fineTuningMethod("full", settings: settings),
                head: task.labels.head,
                hyperparameters: Hyperparameters(settings),
                seed: 1
            )
            let sum = GradientAccumulation(task: task, network: model.network, team: Team(threads: 1), arena: Arena())
            let loss = sum.run([example, example], dropout: Dropout(seed: 1, step: 0), passTokens: passTokens)
            return (loss, model.store.gradients.view.values)
        }
        let parts = TrainingPart.parts(of: [example, example], passTokens: 64)
        #expect(parts.count == 2 && parts.allSatisfy { $0.passes.count > 2 })
        let (one, several) = (try gradients(passTokens: 1000), try gradients(passTokens: 64))
        #expect(abs(one.loss - several.loss) < 1e-5 * one.loss)
        let largest = one.values.map(abs).max() ?? 0
        #expect(zip(one.values, several.values).allSatisfy { abs($0 - $1) < 1e-5 * largest })
        #expect(largest > 0)
    }

    /// Goal: what a model reads of a question is what HF's example for SQuAD gives it, and the answer is where it says.
    @Test func `windows hold the question, a part of the context, and the answer's tokens`() throws {
        let shard = try SmallShard()
        let tokenizer = try loadTokenizer(folder: shard.folder + "/backbone")
        let encoder = ExampleEncoder(source: TokenSource(tokenizer, nil), maximumLength: 12, windowOverlap: 2)
        let context = "the film was so warm and the story was dull in the city"
        let example = Example(
            .question("  was it", context: context),
            label: .answers([Answer(text: "the story", place: 25..<34), Answer(text: "x")])
        )
        let encoded = encoder.encode(example)
        // [CLS] was it [SEP] and 7 tokens of 13, then from the sixth on.
        let words = context.split(separator: " ").map(String.init)
        let windows = [0..<7, 5..<12, 10..<13]
        #expect(
            encoded.sequences
                == windows.map {
                    tokenizer.encode("was it", words[$0].joined(separator: " "), maximumLength: 100)
                }
        )
        #expect(encoded.target.spans == [0...0, 5...6, 0...0])
        #expect(encoder.encodeForTraining(example).map(\.target.spans) == [[0...0], [5...6], [0...0]])
        // The best span of each window, in the second one.
        var logits = [Float](repeating: 0, count: 2 * encoded.tokens)
        let second = encoded.sequences[0].ids.count
        (logits[2 * (second + 5)], logits[2 * (second + 6) + 1]) = (3, 2)
        let prediction = try logits.withUnsafeMutableBufferPointer { values in
            let view = MutableMatrixView(try #require(values.baseAddress), rows: encoded.tokens, columns: 2).view
            return try TaskDescription.named("squad").predictions(view, of: [encoded])
        }
        #expect(prediction == [.answers([Answer(text: "the story")])])
    }
}
