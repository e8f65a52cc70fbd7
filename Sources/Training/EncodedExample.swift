internal import Layers
internal import Sweeps
internal import Tasks
internal import Tokenizers

/// An example as the encoder sees it.
struct EncodedExample: Sendable {
    /// One; of a choice one for each candidate; of a question to be scored one for each window of its context.
    let sequences: [Encoding]
    /// What training aims at.
    let target: Target
    /// What the example is.
    let label: Label
    /// As ``Example/group``.
    let group: Int
    /// What the outputs speak of.
    let subject: Subject

    enum Target: Sendable {
        case classIndex(Int)
        case score(Float)
        /// Which of the candidates are right.
        case right([Int])
        /// Of each window the answer's tokens; the first special token where it holds no answer.
        case spans([ClosedRange<Int>])
    }

    enum Subject: Sendable {
        case example
        /// The names of candidates.
        case candidates([String])
        /// A context and where its tokens stand in it; in each window some of these from one of the sequence's tokens on.
        case context(String, offsets: [Range<Int>], windows: [(tokens: Range<Int>, start: Int)])
    }

    var tokens: Int { self.sequences.reduce(0) { $0 + $1.ids.count } }

    /// The rows of outputs that it has.
    func rows(_ labels: Labels) -> Int { labels == .span ? self.tokens : self.sequences.count }
}

/// Turns a task's examples into token ids.
struct ExampleEncoder {
    let source: TokenSource
    let maximumLength: Int
    /// Tokens that a context's windows share, where there is room for as many.
    let windowOverlap: Int

    /// An example as it is scored.
    func encode(_ example: Example) -> EncodedExample {
        let (sequences, target, subject) = self.parts(example)
        return EncodedExample(
            sequences: sequences,
            target: target,
            label: example.label,
            group: example.group,
            subject: subject
        )
    }

    /// An example as it is trained on: each window of a question on its own.
    func encodeForTraining(_ example: Example) -> [EncodedExample] {
        let whole = self.encode(example)
        guard case .spans(let spans) = whole.target else { return [whole] }
        return zip(whole.sequences, spans).map { sequence, span in
            EncodedExample(
                sequences: [sequence],
                target: .spans([span]),
                label: whole.label,
                group: whole.group,
                subject: .example
            )
        }
    }

    private func parts(_ example: Example) -> ([Encoding], EncodedExample.Target, EncodedExample.Subject) {
        switch (example.reading, example.label) {
        case (.text(let text), .classIndex(let index)): ([self.encode(text)], .classIndex(index), .example)
        case (.text(let text), .score(let score)): ([self.encode(text)], .score(score), .example)
        case (.candidates(let candidates), .answers(let answers)):
            (
                self.encode(candidates),
                .right(candidates.indices.filter { index in answers.contains { $0.text == candidates[index].name } }),
                .candidates(candidates.map(\.name))
            )
        case (.question(let question, let context), .answers(let answers)):
            self.encode(question, context, answers.first?.place)
        default: preconditionFailure("\(example.label) is no label of \(example.reading)")
        }
    }

    private func encode(_ text: TextPair) -> Encoding {
        self.source.encode(text, maximumLength: self.maximumLength)
    }

    /// What candidates have in common is tokenised once.
    private func encode(_ candidates: [Candidate]) -> [Encoding] {
        var known: [String: [Int32]] = [:]
        return candidates.map { candidate in
            guard let second = candidate.text.second else { return self.encode(candidate.text) }
            let first = known[candidate.text.first] ?? self.source.tokens(candidate.text.first).ids
            known[candidate.text.first] = first
            return self.source.tokenizer.encode(
                ids: first,
                self.source.tokens(second).ids,
                maximumLength: self.maximumLength
            )
        }
    }

    /// A question before each window of its context, as HF's example for SQuAD has it; the question takes half the room
    /// at most.
    private func encode(
        _ question: String,
        _ context: String,
        _ answer: Range<Int>?
    ) -> ([Encoding], EncodedExample.Target, EncodedExample.Subject) {
        let room = max(0, self.maximumLength - self.source.tokenizer.specialTokensOfPair)
        let trimmed = String(question.drop(while: \.isWhitespace))
        let first = Array(self.source.tokens(trimmed).ids.prefix(room / 2))
        let tokens = self.source.tokens(context)
        let start = self.source.tokenizer.secondStart(firstCount: first.count)
        let windowRoom = max(1, room - first.count)
        let windows = spanWindows(
            tokens: tokens.ids.count,
            room: windowRoom,
            overlap: min(self.windowOverlap, windowRoom - 1)
        )
        let sequences = windows.map { window in
            self.source.tokenizer.encode(ids: first, Array(tokens.ids[window]), maximumLength: .max)
        }
        let spans = windows.map { window -> ClosedRange<Int> in
            let span = answer.flatMap { answerTokens($0, offsets: tokens.offsets, window: window) }
            guard let span else { return 0...0 }
            let shift = start - window.lowerBound
            return span.lowerBound + shift...span.upperBound + shift
        }
        return (
            sequences, .spans(spans),
            .context(context, offsets: tokens.offsets, windows: windows.map { ($0, start) })
        )
    }
}
