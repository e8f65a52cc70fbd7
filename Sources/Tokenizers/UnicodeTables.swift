/// What the reference does with Unicode scalars, by scalar value: ``UnicodeData`` unpacked for use.
struct UnicodeTables: Sendable {
    struct Properties: OptionSet, Sendable {
        let rawValue: UInt16

        static let control = Properties(rawValue: 1)
        static let blank = Properties(rawValue: 1 << 1)
        static let space = Properties(rawValue: 1 << 2)
        static let punctuation = Properties(rawValue: 1 << 3)
        static let ideograph = Properties(rawValue: 1 << 4)
        static let mark = Properties(rawValue: 1 << 5)
        static let combining = Properties(rawValue: 1 << 6)
        static let uppercase = Properties(rawValue: 1 << 7)
        static let composed = Properties(rawValue: 1 << 8)
        static let byteLevelLetter = Properties(rawValue: 1 << 9)
        static let byteLevelNumber = Properties(rawValue: 1 << 10)
        static let byteLevelSpace = Properties(rawValue: 1 << 11)
    }

    static let shared = UnicodeTables()

    /// Scalars share a page of properties with all pages that look the same; most are empty.
    private static let pageBits: UInt32 = 8
    private var pageOfBlock: [UInt16]
    private var pages: [UInt16]
    private var combiningRanks: [UInt32: UInt8] = [:]
    private var lowercaseOf: [UInt32: UInt32] = [:]
    private var decompositionOf: [UInt32: [UInt32]] = [:]

    /// The only scalar whose lower case is two: i and a dot above.
    static let dottedCapitalI: UInt32 = 0x130
    static let hangulSyllables: Range<UInt32> = 0xAC00..<0xD7A4

    func properties(of scalar: UInt32) -> Properties {
        let page = self.pageOfBlock[Int(truncatingIfNeeded: scalar >> Self.pageBits)]
        let offset = scalar & (1 << Self.pageBits - 1)
        return Properties(rawValue: self.pages[Int(truncatingIfNeeded: UInt32(page) << Self.pageBits | offset)])
    }

    /// Canonical combining classes by rank: equal for equal classes, larger for larger ones; 0 for a starter.
    func combiningRank(of scalar: UInt32) -> UInt8 { self.combiningRanks[scalar] ?? 0 }

    /// Its lower case, but for ``dottedCapitalI``.
    func lowercase(of scalar: UInt32) -> UInt32 { self.lowercaseOf[scalar] ?? scalar }

    /// Calls `body` with each scalar of the full canonical decomposition.
    func decompose(_ scalar: UInt32, _ body: (UInt32) -> Void) {
        if Self.hangulSyllables.contains(scalar) {
            // Syllables are composed arithmetically (the Unicode Standard, section 3.12).
            let index = scalar - Self.hangulSyllables.lowerBound
            body(0x1100 + index / 588)
            body(0x1161 + index % 588 / 28)
            if index % 28 != 0 { body(0x11A7 + index % 28) }
        } else if let scalars = self.decompositionOf[scalar] {
            for scalar in scalars { body(scalar) }
        } else {
            body(scalar)
        }
    }

    private init() {
        var flat = [UInt16](repeating: 0, count: 0x11_0000)
        func mark(_ data: String, _ property: Properties) {
            for run in Self.runs(data) {
                for scalar in stride(from: run.start, to: run.start + run.count * run.stride, by: run.stride) {
                    flat[scalar] |= property.rawValue
                }
            }
        }
        mark(UnicodeData.control, .control)
        mark(UnicodeData.blank, .blank)
        mark(UnicodeData.space, .space)
        mark(UnicodeData.punctuation, .punctuation)
        mark(UnicodeData.ideograph, .ideograph)
        mark(UnicodeData.mark, .mark)
        mark(UnicodeData.combiningRank, .combining)
        mark(UnicodeData.byteLevelLetter, .byteLevelLetter)
        mark(UnicodeData.byteLevelNumber, .byteLevelNumber)
        mark(UnicodeData.byteLevelSpace, .byteLevelSpace)
        mark(UnicodeData.lowercase, .uppercase)
        flat[Int(Self.dottedCapitalI)] |= Properties.uppercase.rawValue

        for run in Self.runs(UnicodeData.combiningRank) {
            for step in 0..<run.count { self.combiningRanks[UInt32(run.start + step * run.stride)] = UInt8(run.value) }
        }
        for run in Self.runs(UnicodeData.lowercase) {
            for step in 0..<run.count {
                let scalar = run.start + step * run.stride
                self.lowercaseOf[UInt32(scalar)] = UInt32(scalar + run.value)
            }
        }
        var next = 0
        for numbers in Self.entries(UnicodeData.decomposition) {
            let scalar = next + numbers[0]
            self.decompositionOf[UInt32(scalar)] = numbers[1...].map { UInt32($0) }
            flat[scalar] |= Properties.composed.rawValue
            next = scalar + 1
        }
        for scalar in Self.hangulSyllables { flat[Int(scalar)] |= Properties.composed.rawValue }

        (self.pageOfBlock, self.pages) = Self.paged(flat)
    }

    private static func paged(_ flat: [UInt16]) -> (pageOfBlock: [UInt16], pages: [UInt16]) {
        let width = 1 << Int(Self.pageBits)
        var seen: [ArraySlice<UInt16>: UInt16] = [:]
        var pageOfBlock: [UInt16] = []
        var pages: [UInt16] = []
        for start in stride(from: 0, to: flat.count, by: width) {
            let page = flat[start..<start + width]
            if let known = seen[page] {
                pageOfBlock.append(known)
            } else {
                let number = UInt16(pages.count / width)
                seen[page] = number
                pageOfBlock.append(number)
                pages += page
            }
        }
        return (pageOfBlock, pages)
    }

    private struct Run {
        var start: Int
        var count: Int
        var stride: Int
        var value: Int
    }

    /// The runs of a table: "gap,count" or "gap,count,stride,value".
    private static func runs(_ data: String) -> [Run] {
        var next = 0
        return self.entries(data).map { numbers in
            let isSet = numbers.count == 2
            let run = Run(
                start: next + numbers[0],
                count: numbers[1],
                stride: isSet ? 1 : numbers[2],
                value: isSet ? 0 : numbers[3]
            )
            next = run.start + (run.count - 1) * run.stride + 1
            return run
        }
    }

    private static func entries(_ data: String) -> [[Int]] {
        data.utf8.split { $0 == 0x20 || $0 == 0x0A }.map { entry in
            entry.split(separator: UInt8(ascii: ",")).map { digits in
                guard let number = Int(String(decoding: digits, as: UTF8.self), radix: 36) else {
                    preconditionFailure("\(String(decoding: digits, as: UTF8.self)) is no number to base 36")
                }
                return number
            }
        }
    }
}

/// The scalar that begins at `offset` of well-formed UTF-8, and where the next begins.
@inline(__always)
func decodeScalar(_ text: Span<UInt8>, at offset: Int) -> (scalar: UInt32, next: Int) {
    let lead = UInt32(text[offset])
    func tail(_ index: Int) -> UInt32 { UInt32(text[offset + index] & 0x3F) }
    switch lead {
    case 0..<0x80: return (lead, offset + 1)
    case 0x80..<0xE0: return ((lead & 0x1F) << 6 | tail(1), offset + 2)
    case 0xE0..<0xF0: return ((lead & 0x0F) << 12 | tail(1) << 6 | tail(2), offset + 3)
    default: return ((lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), offset + 4)
    }
}

@inline(__always)
func appendUTF8(_ scalar: UInt32, to bytes: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: scalar >> shift & 0x3F | 0x80) }
    switch scalar {
    case 0..<0x80:
        bytes.append(UInt8(truncatingIfNeeded: scalar))
    case 0x80..<0x800:
        bytes.append(UInt8(truncatingIfNeeded: scalar >> 6 | 0xC0))
        bytes.append(tail(0))
    case 0x800..<0x1_0000:
        bytes.append(UInt8(truncatingIfNeeded: scalar >> 12 | 0xE0))
        bytes.append(tail(6))
        bytes.append(tail(0))
    default:
        bytes.append(UInt8(truncatingIfNeeded: scalar >> 18 | 0xF0))
        bytes.append(tail(12))
        bytes.append(tail(6))
        bytes.append(tail(0))
    }
}
