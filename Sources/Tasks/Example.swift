/// What an example is to be, or what was predicted for it.
public enum Label: Hashable, Sendable {
    /// The index of a class in the task's list.
    case classIndex(Int)
    /// A real number (regression).
    case score(Float)
    /// Answers in words, each of them right; one where it was predicted. None: there is no answer.
    case answers([Answer])
}

/// An answer in words.
public struct Answer: Hashable, Sendable {
    public var text: String
    /// Its place in the context, in Unicode scalars, where it is known.
    public var place: Range<Int>?

    public init(text: String, place: Range<Int>? = nil) {
        self.text = text
        self.place = place
    }
}

/// One labelled row of a task.
public struct Example: Hashable, Sendable {
    public var reading: Reading
    public var label: Label
    /// The question that it answers (MultiRC) or the dev set that it is of (MNLI), where the task has several; else 0.
    public var group: Int

    public init(_ reading: Reading, label: Label, group: Int = 0) {
        self.reading = reading
        self.label = label
        self.group = group
    }

    public init(first: String, second: String? = nil, label: Label, group: Int = 0) {
        self.init(.text(TextPair(first: first, second: second)), label: label, group: group)
    }
}

/// What a model reads of an example.
public enum Reading: Hashable, Sendable {
    case text(TextPair)
    /// One of these is to be chosen.
    case candidates([Candidate])
    /// The answer is a part of the context, or there is none.
    case question(String, context: String)

    /// Everything that is read: a text, each candidate's, or the question and its context.
    public var texts: [TextPair] {
        switch self {
        case .text(let text): [text]
        case .candidates(let candidates): candidates.map(\.text)
        case .question(let question, let context): [TextPair(first: question, second: context)]
        }
    }
}

/// One of those among which an example asks to choose.
public struct Candidate: Hashable, Sendable {
    /// What is read to score it.
    public var text: TextPair
    /// The answer that it would be.
    public var name: String
}

/// A text, or two to be read together.
public struct TextPair: Hashable, Sendable {
    public var first: String
    public var second: String?

    public init(first: String, second: String? = nil) {
        self.first = first
        self.second = second
    }
}
