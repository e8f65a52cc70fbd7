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
}
