/// The printable scalars that stand for bytes in the files of byte-level tokenizers: printable bytes of Latin-1 for
/// themselves, the others for U+0100 and the scalars after it.
enum ByteLevelAlphabet {
    private static let byteOfScalar: [UInt32: UInt8] = {
        var bytes: [UInt32: UInt8] = [:]
        var next: UInt32 = 0x100
        for byte in UInt32(0)...255 {
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: bytes[byte] = UInt8(byte)
            default:
                bytes[next] = UInt8(byte)
                next += 1
            }
        }
        return bytes
    }()

    /// The bytes that a token of a vocabulary, well-formed UTF-8, stands for; nil where it has another scalar.
    static func bytes(of token: [UInt8]) -> [UInt8]? {
        let byteOfScalar = Self.byteOfScalar
        let span = token.span
        var bytes: [UInt8] = []
        var offset = 0
        while offset < span.count {
            let (scalar, next) = decodeScalar(span, at: offset)
            guard let byte = byteOfScalar[scalar] else { return nil }
            bytes.append(byte)
            offset = next
        }
        return bytes
    }

    private static let scalarOfByte: [UInt8: Unicode.Scalar] = {
        Dictionary(
            uniqueKeysWithValues: Self.byteOfScalar.compactMap { entry in
                Unicode.Scalar(entry.key).map { (entry.value, $0) }
            }
        )
    }()

    /// The text that a token's bytes are, with the scalars that stand for blanks and controls; nil where they are no
    /// whole characters, or some that nobody sees.
    static func shown(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count > 1, bytes.contains(where: { $0 >= 0x80 }),
            let text = String(validating: bytes, as: UTF8.self)
        else { return nil }
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            guard !scalar.isASCII else {
                shown.append(Self.scalarOfByte[UInt8(scalar.value)] ?? scalar)
                continue
            }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .privateUse, .surrogate,
                .unassigned:
                return nil
            default: shown.append(scalar)
            }
        }
        return Array(String(shown).utf8)
    }
}
