/// The windows in which a context is read that is longer than the model takes: each of at most `room` tokens, each
/// next one sharing `overlap` tokens with the one before; the last ends where the context ends.
///
/// As Hugging Face's tokenizers cut (`stride`). A context of no tokens has one empty window.
public func spanWindows(tokens: Int, room: Int, overlap: Int) -> [Range<Int>] {
    precondition(tokens >= 0 && overlap >= 0 && room > overlap, "windows of \(room) that share \(overlap)")
    var windows = [0..<min(room, tokens)]
    while let last = windows.last, last.upperBound < tokens {
        let start = last.lowerBound + room - overlap
        windows.append(start..<min(start + room, tokens))
    }
    return windows
}

/// The context's tokens that hold an answer, for training: the last that starts at or before its first character,
/// and the first that ends at or after its last one; nil where the window does not hold the whole answer.
///
/// - Parameters:
///   - answer: in the context's Unicode scalars.
///   - offsets: each token's place in the context.
///   - window: the tokens that are read.
public func answerTokens(_ answer: Range<Int>, offsets: [Range<Int>], window: Range<Int>) -> ClosedRange<Int>? {
    let tokens = offsets[window]
    guard let first = tokens.lastIndex(where: { $0.lowerBound <= answer.lowerBound }),
        let last = tokens.firstIndex(where: { $0.upperBound >= answer.upperBound }), first <= last
    else { return nil }
    return first...last
}

/// What a model says of one window's tokens.
public struct WindowScores: Hashable, Sendable {
    /// The context's tokens that were read.
    public var window: Range<Int>
    /// For each of them, how well an answer starts there, and ends there.
    public var starts: [Float]
    public var ends: [Float]
    /// The sum of both at the first special token: that the window holds no answer.
    public var noAnswer: Float

    public init(window: Range<Int>, starts: [Float], ends: [Float], noAnswer: Float) {
        precondition(starts.count == window.count && ends.count == window.count, "scores for \(window)")
        self.window = window
        self.starts = starts
        self.ends = ends
        self.noAnswer = noAnswer
    }
}

/// The best answer over a question's windows.
public struct SpanChoice: Hashable, Sendable {
    /// The context's tokens from the answer's first to its last.
    public var tokens: ClosedRange<Int>
    public var score: Float
    /// The least over all windows, each of which would have to hold none.
    public var noAnswer: Float

    /// Whether the context is said to hold no answer (SQuAD 2.0).
    public func isNone(threshold: Float = 0) -> Bool { self.noAnswer - self.score > threshold }
}

/// The tokens `first...last` of one window with the largest sum of start and end score and no more than
/// `maximumTokens`; of equal ones the first. Unlike the common search among the 20 best starts and ends it is complete.
///
/// - Returns: nil where no window has a token with a score.
public func bestSpan(_ windows: [WindowScores], maximumTokens: Int = 30) -> SpanChoice? {
    precondition(maximumTokens > 0, "an answer of at most \(maximumTokens) tokens")
    var best: (tokens: ClosedRange<Int>, score: Float)?
    for scores in windows {
        for first in scores.starts.indices {
            for last in first..<min(first + maximumTokens, scores.ends.count) {
                let score = scores.starts[first] + scores.ends[last]
                guard score > best?.score ?? -.infinity else { continue }
                best = (scores.window.lowerBound + first...scores.window.lowerBound + last, score)
            }
        }
    }
    let noAnswer = windows.map(\.noAnswer).min() ?? .infinity
    return best.map { SpanChoice(tokens: $0.tokens, score: $0.score, noAnswer: noAnswer) }
}

/// The context's characters from a span's first token to its last.
public func answerText(_ tokens: ClosedRange<Int>, offsets: [Range<Int>], context: String) -> String {
    let scalars = context.unicodeScalars
    let (start, end) = (offsets[tokens.lowerBound].lowerBound, offsets[tokens.upperBound].upperBound)
    return String(scalars.dropFirst(start).prefix(end - start))
}
