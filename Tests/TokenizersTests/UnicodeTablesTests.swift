import Digests
import Testing

@testable import Tokenizers

@Suite struct UnicodeTablesTests {
    struct Scalars: Decodable {
        var digests: [String]
    }

    /// Goal: every Unicode scalar is cleaned, decomposed, ordered, lowered and cut as by the reference.
    /// Method: the SHA-256 over what becomes of a text around each scalar, for 4,096 scalars at a time.
    @Test func `normalises and cuts every scalar as the reference`() throws {
        let expected = try golden("scalars.json", as: Scalars.self).digests
        #expect(expected.count == 0x110)
        for (block, digest) in expected.enumerated() {
            var lines: [UInt8] = []
            for scalar in (UInt32(block) << 12..<UInt32(block + 1) << 12).compactMap(Unicode.Scalar.init) {
                let text = BertNormalizer().normalize("a\u{1cd}\(scalar) b.\(scalar)".utf8Span.span)
                lines += text
                lines.append(0x0A)
                for word in BertPreTokenizer().words(text.span) {
                    lines += text[word]
                    lines.append(0x0A)
                }
            }
            let first = String(block << 12, radix: 16)
            #expect(SHA256.hash(lines).description == digest, "a scalar from U+\(first) on")
        }
    }

    @Test func `syllables decompose arithmetically`() {
        var parts: [UInt32] = []
        UnicodeTables.shared.decompose(0xAC01) { parts.append($0) }
        #expect(parts == [0x1100, 0x1161, 0x11A8])
    }

    @Test(arguments: [0x00, 0x41, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFD, 0x1_0000, 0x10_FFFF] as [UInt32])
    func `scalars are read as they are written`(scalar: UInt32) {
        var bytes: [UInt8] = []
        appendUTF8(scalar, to: &bytes)
        let read = decodeScalar(bytes.span, at: 0)
        #expect(read == (scalar, bytes.count))
        #expect(String(decoding: bytes, as: UTF8.self).unicodeScalars.map(\.value) == [scalar])
    }
}
