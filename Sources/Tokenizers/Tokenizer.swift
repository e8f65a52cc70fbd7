/// A text, or a pair of texts, as an encoder takes it: special tokens included, nothing padded.
public struct Encoding: Hashable, Sendable {
    /// Indices into the vocabulary.
    public var ids: [Int32]
    /// For each id, the text that it belongs to: 0 for the first, 1 for the second (segment ids).
    public var typeIDs: [Int32]

    public init(ids: [Int32], typeIDs: [Int32]) {
        precondition(ids.count == typeIDs.count, "\(ids.count) ids and \(typeIDs.count) type ids")
        self.ids = ids
        self.typeIDs = typeIDs
    }
}

/// Turns text into the tokens of one vocabulary.
public protocol Tokenizer: Sendable {
    /// One more than the largest id that ``encode(_:_:maximumLength:)`` can return: an encoder needs so many
    /// embeddings.
    var vocabularySize: Int { get }

    /// The tokens of a text or of a pair of texts.
    ///
    /// Where there are more than `maximumLength` tokens, special ones counted, the longer text of a pair loses tokens
    /// at its end first, then both in turn. The special tokens always stay, so that a `maximumLength` below their
    /// number gives these alone.
    func encode(_ first: String, _ second: String?, maximumLength: Int) -> Encoding

    /// The same of texts whose ids, without special tokens, are known.
    func encode(ids first: [Int32], _ second: [Int32]?, maximumLength: Int) -> Encoding

    /// How many tokens ``encode(ids:_:maximumLength:)`` sets around a pair.
    var specialTokensOfPair: Int { get }

    /// Where in a pair's tokens the second text begins, behind so many of the first.
    func secondStart(firstCount: Int) -> Int

    /// The tokens of a text and where in it they stand, without special tokens around it.
    func tokens(_ text: String) -> Tokens

    /// What the vocabulary calls a token, special and added ones included: "##ing", "▁the", "Ġthe", "[SEP]"; nil where
    /// there is none of that id.
    ///
    /// For people: a byte-level vocabulary's token is shown as the text whose bytes it stands for, where it is whole
    /// characters, and with "Ġ" for a blank.
    func text(of id: Int32) -> String?
}

extension Tokenizer {
    /// The tokens of one text.
    public func encode(_ text: String, maximumLength: Int) -> Encoding {
        self.encode(text, nil, maximumLength: maximumLength)
    }
}

/// A tokenizer whose special tokens are set around the ids of its texts.
protocol PostProcessed: Tokenizer {
    var postProcessor: PostProcessor { get }
    var texts: TokenTexts { get }

    /// A text's tokens without special ones; faster than with their places.
    func ids(_ text: String) -> [Int32]
}

extension PostProcessed {
    public func encode(_ first: String, _ second: String?, maximumLength: Int) -> Encoding {
        self.encode(ids: self.ids(first), second.map { self.ids($0) }, maximumLength: maximumLength)
    }

    public func encode(ids first: [Int32], _ second: [Int32]?, maximumLength: Int) -> Encoding {
        self.postProcessor.encoding(first, second, maximumLength: maximumLength)
    }

    public var specialTokensOfPair: Int { PostProcessor.specialCount(self.postProcessor.pair[...]) }

    public func secondStart(firstCount: Int) -> Int {
        let before = self.postProcessor.pair.prefix { piece in
            if case .second = piece { false } else { true }
        }
        return PostProcessor.specialCount(before) + firstCount
    }

    public func text(of id: Int32) -> String? { self.texts[id] }
}

/// The tokenizer of a backbone's folder, chosen by the files in it.
///
/// - Throws: ``TokenizerError`` where a file is missing or malformed, or asks for what is not supported.
public func loadTokenizer(folder: String) throws(TokenizerError) -> any Tokenizer {
    try TokenizerFiles(folder: folder).tokenizer()
}

/// A tokenizer's file that is missing, malformed or of an unsupported kind.
public struct TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file or folder.
    public let path: String
    /// What is wrong with it and what would be right.
    public let reason: String

    public var description: String { "\(self.path): \(self.reason)" }

    init(_ path: String, _ reason: String) {
        self.path = path
        self.reason = reason
    }
}
