public import Encoders
internal import Layers
public import Sweeps
internal import Tasks
internal import Tensors
internal import Tokenizers

// What a task's outputs are for: the head that makes them, the loss in training, the predictions they stand for.

extension Labels {
    /// The head of a task with such labels.
    public var head: Head {
        switch self {
        case .classes(let names): .sequence(outputs: names.count)
        case .score: .sequence(outputs: 1)
        case .candidate: .candidate
        case .span: .span
        }
    }
}

extension TaskDescription {
    /// The sum of examples' losses, with its gradient where asked for: cross-entropy of classes, of choices and of spans,
    /// squared error of scores.
    ///
    /// - Parameters:
    ///   - logits: the outputs of the examples' sequences, one after another.
    ///   - count: over how many the step's mean is taken.
    func loss(
        _ logits: MatrixView,
        of examples: [EncodedExample],
        examples count: Int,
        dLogits: MutableMatrixView?
    ) -> Double {
        switch self.labels {
        case .classes:
            Loss.crossEntropy(logits, labels: examples.map(\.target.classIndex), examples: count, dLogits: dLogits)
        case .score:
            Loss.squaredError(logits, labels: examples.map(\.target.score), examples: count, dPredictions: dLogits)
        case .candidate:
            Loss.choice(
                logits,
                sizes: examples.map(\.sequences.count),
                right: examples.map(\.target.right),
                examples: count,
                dLogits: dLogits
            )
        case .span:
            Loss.span(
                logits,
                offsets: examples.flatMap(\.sequences).reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.ids.count) },
                spans: examples.flatMap(\.target.spans),
                examples: count,
                dLogits: dLogits
            )
        }
    }

    /// What the outputs say of each example. Of equal outputs the first wins, as NumPy's argmax has it.
    ///
    /// - Parameter logits: as in ``loss(_:of:examples:dLogits:)``.
    func predictions(_ logits: MatrixView, of examples: [EncodedExample]) -> [Label] {
        var row = 0
        return examples.map { example in
            let rows = row..<row + example.rows(self.labels)
            row = rows.upperBound
            switch (self.labels, example.subject) {
            case (.classes, _): return .classIndex(largest(Array(logits[rows.lowerBound])))
            case (.score, _): return .score(logits[rows.lowerBound][0])
            case (.candidate, .candidates(let names)):
                return .answers([Answer(text: names[largest(rows.map { logits[$0][0] })])])
            case (.span, .context(let context, let offsets, let windows)):
                let choice = bestSpan(example.windowScores(logits.rows(rows), windows))
                guard let choice, self.name != "squad-2" || !choice.isNone() else { return .answers([]) }
                return .answers([Answer(text: answerText(choice.tokens, offsets: offsets, context: context))])
            case (.candidate, _), (.span, _): preconditionFailure("\(example.subject) has no \(self.labels)")
            }
        }
    }
}

private func largest(_ values: [Float]) -> Int { values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 } }

extension EncodedExample {
    fileprivate func windowScores(
        _ logits: MatrixView,
        _ windows: [(tokens: Range<Int>, start: Int)]
    ) -> [WindowScores] {
        var first = 0
        return zip(self.sequences, windows).map { sequence, window in
            defer { first += sequence.ids.count }
            let rows = first + window.start..<first + window.start + window.tokens.count
            return WindowScores(
                window: window.tokens,
                starts: rows.map { logits[$0][0] },
                ends: rows.map { logits[$0][1] },
                noAnswer: logits[first][0] + logits[first][1]
            )
        }
    }
}

extension EncodedExample.Target {
    var classIndex: Int {
        guard case .classIndex(let index) = self else { preconditionFailure("\(self) is no class") }
        return index
    }

    var score: Float {
        guard case .score(let score) = self else { preconditionFailure("\(self) is no score") }
        return score
    }

    var right: [Int] {
        guard case .right(let right) = self else { preconditionFailure("\(self) is no choice") }
        return right
    }

    var spans: [ClosedRange<Int>] {
        guard case .spans(let spans) = self else { preconditionFailure("\(self) is no span") }
        return spans
    }
}
