internal import Foundation
internal import Sweeps
internal import Tensors
internal import Tokenizers

/// What an example was read as and what the head made of it, for comparing with other implementations: a JSON line each.
struct LoggedLogits: Encodable {
    /// Of each sequence: one, of a choice one for each candidate, of a question one for each window.
    let ids: [[Int32]]
    let types: [[Int32]]
    /// A line for each sequence; of a question for each token of all its windows.
    let logits: [[Float]]
}

extension Evaluator {
    /// The lines of a file.
    func logits(_ examples: [EncodedExample]) throws -> [UInt8] {
        var logged: [LoggedLogits] = []
        _ = self.predict(examples, isStopping: { false }) { outputs, examples in
            var row = 0
            for example in examples {
                let rows = row..<row + example.rows(self.task.labels)
                row = rows.upperBound
                logged.append(
                    LoggedLogits(
                        ids: example.sequences.map(\.ids),
                        types: example.sequences.map(\.typeIDs),
                        logits: rows.map { Array(outputs[$0]) }
                    )
                )
            }
        }
        return try logged.flatMap { Array(try JSON.encoder.encode($0)) + [UInt8(ascii: "\n")] }
    }
}
