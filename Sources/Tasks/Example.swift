/// What an example is to be, or what was predicted for it.
public enum Label: Hashable, Sendable {
    /// The index of a class in the task's list.
    case classIndex(Int)
    /// A real number (regression).
    case score(Float)
}

/// One labelled row of a task.
public struct Example: Hashable, Sendable {
    public var text: TextPair
    public var label: Label
    /// The question that it answers (MultiRC) or the dev set that it is of (MNLI), where the task has several; else 0.
    public var group: Int

    public var first: String { self.text.first }
    public var second: String? { self.text.second }

    public init(first: String, second: String? = nil, label: Label, group: Int = 0) {
        self.text = TextPair(first: first, second: second)
        self.label = label
        self.group = group
    }
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
