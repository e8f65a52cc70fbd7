/// SentencePiece's precompiled map from characters to what they are normalised to (Kudo and Richardson 2018,
/// arXiv:1808.06226).
///
/// A little-endian 32-bit number gives the bytes of a double-array trie of 32-bit units that follows; then come the
/// replacements, each ended by a zero byte. A key's value is where its replacement begins.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]
    /// Of each ASCII byte on its own: most of a text needs no search.
    private var asciiReplacements: [[UInt8]?] = []

    /// A text longer than this is no key.
    private static let keyBytesLimit = 5

    /// Nil where the bytes are no such map.
    init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count >= 4 else { return nil }
        let start = bytes.startIndex
        func unit(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[start + index * 4 + $1]) << UInt32($1 * 8) }
        }
        let count = Int(unit(0) / 4)
        guard count > 0, count <= bytes.count / 4 - 1 else { return nil }
        self.units = (1...count).map(unit)
        self.replacements = Array(bytes[(start + 4 + count * 4)...])
        guard String(validating: self.replacements, as: UTF8.self) != nil else { return nil }
        self.asciiReplacements = (UInt8(0)..<128).map { byte in
            self.replacement(CollectionOfOne(byte)).map { Array($0) }
        }
    }

    /// What the shortest key that begins `text` becomes; nil where there is none.
    private func replacement(_ text: some Collection<UInt8>) -> ArraySlice<UInt8>? {
        var node = self.offset(self.units[0])
        for byte in text {
            guard byte != 0 else { return nil }
            node ^= Int(byte)
            guard node < self.units.count, self.units[node] & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
            let unit = self.units[node]
            node ^= self.offset(unit)
            guard unit >> 8 & 1 == 1 else { continue }
            guard node < self.units.count else { return nil }
            return self.replacement(at: Int(self.units[node] & (1 << 31 - 1)))
        }
        return nil
    }

    private func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }

    private func replacement(at start: Int) -> ArraySlice<UInt8>? {
        guard start <= self.replacements.count else { return nil }
        let rest = self.replacements[start...]
        guard (rest.first ?? 0) & 0xC0 != 0x80 else { return nil }
        return rest.prefix { $0 != 0 }
    }

    /// Replaces what a text's characters become; a character without replacement is looked at scalar by scalar.
    func normalize(_ text: AlignedText) -> AlignedText {
        var output = Output(text)
        // Each scalar is a character of its own, but for carriage returns before line ends.
        guard text.bytes.contains(where: { $0 >= 0x80 || $0 == 0x0D }) else {
            for byte in text.bytes { self.replace(byte, &output) }
            return output.isChanged ? output.result : text
        }
        var start = 0
        for character in String(decoding: text.bytes, as: UTF8.self) {
            let end = start + character.utf8.count
            let bytes = text.bytes[start..<end]
            if bytes.count == 1, bytes[start] < 0x80 {
                self.replace(bytes[start], &output)
            } else if bytes.count <= Self.keyBytesLimit, let replacement = self.replacement(bytes) {
                output.replace(bytes.count, by: replacement)
            } else {
                for scalar in character.unicodeScalars {
                    let next = start + UTF8.width(scalar)
                    let part = text.bytes[start..<next]
                    if let replacement = self.replacement(part) {
                        output.replace(part.count, by: replacement)
                    } else {
                        for byte in part { output.keep(byte) }
                    }
                    start = next
                }
            }
            start = end
        }
        return output.isChanged ? output.result : text
    }

    @inline(__always)
    private func replace(_ byte: UInt8, _ output: inout Output) {
        if let replacement = self.asciiReplacements[Int(byte)] {
            output.replace(1, by: replacement[...])
        } else {
            output.keep(byte)
        }
    }
}

/// The replaced text: a replacement's scalars stand for those of the character, one for one; what is longer, for the
/// character's last.
private struct Output {
    let source: AlignedText
    var result = AlignedText()
    var isChanged = false
    /// How much of the source has been taken.
    private var offset = 0

    init(_ source: AlignedText) {
        self.source = source
        self.result.reserve(source.bytes.count + 8)
    }

    @inline(__always)
    mutating func keep(_ byte: UInt8) {
        self.result.append(byte, from: self.source.origins[self.offset])
        self.offset += 1
    }

    mutating func replace(_ count: Int, by replacement: ArraySlice<UInt8>) {
        self.isChanged = true
        let end = self.offset + count
        var scalar = self.offset
        for (index, byte) in replacement.enumerated() {
            if index > 0, byte & 0xC0 != 0x80 {
                let next = scalarEnd(self.source.bytes.span, at: scalar)
                if next < end { scalar = next }
            }
            self.result.append(byte, from: self.source.origins[scalar])
        }
        self.offset = end
    }
}
