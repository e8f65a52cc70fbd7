/// BERT's cleaning of text, in this order: control characters dropped and blanks made plain, blanks set around
/// ideographs, accents stripped (canonical decomposition, then marks dropped), lower case.
struct BertNormalizer: Hashable, Sendable {
    var cleansText = true
    var separatesIdeographs = true
    var stripsAccents = true
    var lowercases = true

    /// The normalised form of `text`; both are well-formed UTF-8.
    func normalize(_ text: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 4)
        var pending = PendingMarks()
        var offset = 0
        while offset < text.count {
            let byte = text[offset]
            if byte < 0x80 {
                offset += 1
                self.takeASCII(byte, &pending, into: &result)
            } else {
                let (scalar, next) = decodeScalar(text, at: offset)
                offset = next
                self.take(scalar, &pending, into: &result)
            }
        }
        self.flush(&pending, into: &result)
        return result
    }

    /// The normalised form of a part of `text` and where each byte came from: the scalar that became it.
    func aligned(_ text: Span<UInt8>, _ range: Range<Int>) -> AlignedText {
        let bytes = self.normalize(text.extracting(range))
        var result = AlignedText()
        result.reserve(bytes.count)
        var offset = range.lowerBound
        // Scalars become others one by one. Marks may change places, but then among bytes of like meaning.
        while offset < range.upperBound {
            let end = scalarEnd(text, at: offset)
            for _ in 0..<self.normalize(text.extracting(offset..<end)).count {
                result.append(bytes[result.bytes.count], from: Int32(offset)..<Int32(end))
            }
            offset = end
        }
        precondition(result.bytes.count == bytes.count, "\(bytes.count) bytes, aligned \(result.bytes.count)")
        return result
    }

    @inline(__always)
    private func takeASCII(_ byte: UInt8, _ pending: inout PendingMarks, into result: inout [UInt8]) {
        var byte = byte
        if byte < 0x20 || byte == 0x7F, self.cleansText {
            // Dropped ones must not part the marks on either side, which canonical order may still exchange.
            guard byte == 0x09 || byte == 0x0A || byte == 0x0D else { return }
            byte = 0x20
        } else if byte &- UInt8(ascii: "A") < 26, self.lowercases {
            byte |= 0x20
        }
        if !pending.isEmpty { self.flush(&pending, into: &result) }
        result.append(byte)
    }

    private func take(_ scalar: UInt32, _ pending: inout PendingMarks, into result: inout [UInt8]) {
        let tables = UnicodeTables.shared
        var properties = tables.properties(of: scalar)
        if self.cleansText {
            if properties.contains(.control) || scalar == 0xFFFD { return }
            if properties.contains(.blank) {
                self.flush(&pending, into: &result)
                return result.append(0x20)
            }
        }
        let isSeparated = self.separatesIdeographs && properties.contains(.ideograph)
        if isSeparated {
            self.flush(&pending, into: &result)
            result.append(0x20)
        }
        if !self.stripsAccents {
            self.finish(scalar, properties, into: &result)
        } else if properties.contains(.composed) {
            tables.decompose(scalar) { part in
                properties = tables.properties(of: part)
                self.order(part, properties, &pending, into: &result)
            }
        } else {
            self.order(scalar, properties, &pending, into: &result)
        }
        if isSeparated {
            self.flush(&pending, into: &result)
            result.append(0x20)
        }
    }

    /// Holds back combining scalars until the next starter, since canonical order sorts them by class.
    @inline(__always)
    private func order(
        _ scalar: UInt32,
        _ properties: UnicodeTables.Properties,
        _ pending: inout PendingMarks,
        into result: inout [UInt8]
    ) {
        if properties.contains(.combining) {
            // A mark is dropped later and moves no other scalar, so that it need not be sorted.
            if !properties.contains(.mark) {
                pending.append(scalar, rank: UnicodeTables.shared.combiningRank(of: scalar))
            }
        } else {
            if !pending.isEmpty { self.flush(&pending, into: &result) }
            if !properties.contains(.mark) { self.finish(scalar, properties, into: &result) }
        }
    }

    private func flush(_ pending: inout PendingMarks, into result: inout [UInt8]) {
        pending.drain { scalar in
            self.finish(scalar, UnicodeTables.shared.properties(of: scalar), into: &result)
        }
    }

    @inline(__always)
    private func finish(
        _ scalar: UInt32,
        _ properties: UnicodeTables.Properties,
        into result: inout [UInt8]
    ) {
        guard self.lowercases, properties.contains(.uppercase) else { return appendUTF8(scalar, to: &result) }
        if scalar == UnicodeTables.dottedCapitalI {
            appendUTF8(0x69, to: &result)
            appendUTF8(0x307, to: &result)
        } else {
            appendUTF8(UnicodeTables.shared.lowercase(of: scalar), to: &result)
        }
    }
}

/// Combining scalars since the last starter.
private struct PendingMarks {
    private var marks: [(rank: UInt8, scalar: UInt32)] = []

    var isEmpty: Bool { self.marks.isEmpty }

    mutating func append(_ scalar: UInt32, rank: UInt8) { self.marks.append((rank, scalar)) }

    /// Calls `body` with the scalars by rank, equal ranks in the order in which they came, and forgets them.
    mutating func drain(_ body: (UInt32) -> Void) {
        guard !self.marks.isEmpty else { return }
        let sorted = self.marks.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }
        for (_, mark) in sorted { body(mark.scalar) }
        self.marks.removeAll(keepingCapacity: true)
    }
}
