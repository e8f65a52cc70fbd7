/// Cuts text into words: at blanks, which are dropped, and around punctuation, each scalar of which is a word.
struct BertPreTokenizer: Hashable, Sendable {
    private enum Kind: UInt8 {
        case letter, space, punctuation
    }

    private static let asciiKinds: [Kind] = (0..<128).map { Self.kind(of: UInt32($0)) }

    private static func kind(of scalar: UInt32) -> Kind {
        let properties = UnicodeTables.shared.properties(of: scalar)
        if properties.contains(.space) { return .space }
        return properties.contains(.punctuation) ? .punctuation : .letter
    }

    /// The words of `text`, which is well-formed UTF-8, as ranges of its bytes.
    func words(_ text: Span<UInt8>) -> [Range<Int>] {
        let asciiKinds = Self.asciiKinds
        var words: [Range<Int>] = []
        words.reserveCapacity(text.count / 4)
        var start = 0
        var offset = 0
        while offset < text.count {
            let byte = text[offset]
            let kind: Kind
            var next = offset + 1
            if byte < 0x80 {
                kind = asciiKinds[Int(byte)]
            } else {
                let decoded = decodeScalar(text, at: offset)
                kind = Self.kind(of: decoded.scalar)
                next = decoded.next
            }
            if kind != .letter {
                if start < offset { words.append(start..<offset) }
                if kind == .punctuation { words.append(offset..<next) }
                start = next
            }
            offset = next
        }
        if start < offset { words.append(start..<offset) }
        return words
    }
}
