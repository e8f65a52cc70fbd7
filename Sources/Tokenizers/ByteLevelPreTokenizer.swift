/// Cuts text into words as GPT-2 does (Radford et al. 2019): English contractions, letters, numbers and what is
/// neither, each with one space before it, and blanks that are left over.
enum ByteLevelPreTokenizer {
    private enum Kind: UInt8 {
        case letter, number, other, space
    }

    private static let asciiKinds: [Kind] = (0..<128).map { Self.kind(of: UInt32($0)) }
    private static let contractions = ["s", "t", "re", "ve", "m", "ll", "d"].map { Array($0.utf8) }

    private static func kind(of scalar: UInt32) -> Kind {
        let properties = UnicodeTables.shared.properties(of: scalar)
        if properties.contains(.byteLevelLetter) { return .letter }
        if properties.contains(.byteLevelNumber) { return .number }
        return properties.contains(.byteLevelSpace) ? .space : .other
    }

    @inline(__always)
    private static func kind(_ text: Span<UInt8>, at offset: Int, _ asciiKinds: [Kind]) -> (kind: Kind, next: Int) {
        let byte = text[offset]
        if byte < 0x80 { return (asciiKinds[Int(byte)], offset + 1) }
        let (scalar, next) = decodeScalar(text, at: offset)
        return (Self.kind(of: scalar), next)
    }

    /// Calls `body` with each word of `text`, which is well-formed UTF-8, as a range of its bytes: they leave out none.
    @inline(__always)
    static func forEachWord(_ text: Span<UInt8>, _ body: (Range<Int>) -> Void) {
        let asciiKinds = Self.asciiKinds
        var start = 0
        while start < text.count {
            let end = Self.wordEnd(text, from: start, asciiKinds)
            body(start..<end)
            start = end
        }
    }

    private static func wordEnd(_ text: Span<UInt8>, from start: Int, _ asciiKinds: [Kind]) -> Int {
        if text[start] == UInt8(ascii: "'"), let end = Self.contractionEnd(text, from: start) { return end }
        var (kind, offset) = Self.kind(text, at: start, asciiKinds)
        if text[start] == UInt8(ascii: " "), offset < text.count {
            let following = Self.kind(text, at: offset, asciiKinds)
            if following.kind != .space { (kind, offset) = following }
        }
        var last = start
        while offset < text.count {
            let following = Self.kind(text, at: offset, asciiKinds)
            guard following.kind == kind else { break }
            last = offset
            offset = following.next
        }
        // The last of several blanks belongs to the word that follows, if one does.
        return kind == .space && offset < text.count && last > start ? last : offset
    }

    private static func contractionEnd(_ text: Span<UInt8>, from start: Int) -> Int? {
        for letters in Self.contractions where start + letters.count < text.count {
            if letters.indices.allSatisfy({ text[start + 1 + $0] == letters[$0] }) { return start + 1 + letters.count }
        }
        return nil
    }
}
