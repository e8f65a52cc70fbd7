/// A task's file that is missing, unreadable or malformed.
public struct TaskFileError: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: String
    /// Counted from 1; nil where the whole file is meant.
    public let line: Int?
    /// What is wrong and what would be right.
    public let reason: String

    public var description: String {
        self.line.map { "\(self.path):\($0): \(self.reason)" } ?? "\(self.path): \(self.reason)"
    }

    init(_ path: String, line: Int? = nil, _ reason: String) {
        self.path = path
        self.line = line
        self.reason = reason
    }
}
