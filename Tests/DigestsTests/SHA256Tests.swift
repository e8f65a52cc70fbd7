import Digests
import Foundation
import Testing

@Suite struct SHA256Tests {
    /// Source: the examples for SHA-256 that NIST publishes with FIPS 180-4, and the empty message.
    static let vectors: [(message: String, digest: String)] = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ]

    @Test(arguments: 0..<vectors.count)
    func `published vectors`(index: Int) {
        let (message, digest) = Self.vectors[index]
        #expect(SHA256.hash(message).description == digest)
    }

    /// Goal: where a message is cut decides nothing. Method: every cut of a message of three blocks.
    @Test func `parts give the digest of the whole`() {
        let message = (0..<150).map { UInt8($0) }
        for cut in 0...message.count {
            var hash = SHA256()
            hash.update(message[..<cut])
            hash.update(message[cut...])
            #expect(hash.finalize() == SHA256.hash(message), "cut at \(cut)")
        }
    }

    /// Goal: sequences without contiguous storage count too.
    @Test func `a lazy sequence is hashed as its bytes`() {
        #expect(SHA256.hash((0..<150).lazy.map { UInt8($0) }) == SHA256.hash((0..<150).map { UInt8($0) }))
    }

    @Test func `a file is hashed in parts`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "digest-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        // More than one buffer, and not a whole number of them.
        let bytes = Data((0..<600_001).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try bytes.write(to: file)
        #expect(try SHA256.hash(file: file.path) == SHA256.hash(bytes))
    }

    @Test func `a file that is not there is an error that names it`() {
        let error = #expect(throws: FileError.self) { try SHA256.hash(file: "/nowhere/at/all") }
        #expect(error?.description == "/nowhere/at/all: No such file or directory")
    }

    @Test func `a folder is no file`() {
        #expect(throws: FileError.self) { try SHA256.hash(file: "/") }
    }
}

@Suite struct DigestTests {
    private let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test func `text and back`() throws {
        let digest = try #require(Digest(self.text))
        #expect(digest.description == self.text)
        #expect(digest.short == "ba7816bf")
        #expect(digest.bytes.prefix(4) == [0xba, 0x78, 0x16, 0xbf] && digest.bytes.count == Digest.byteCount)
        #expect(Digest(bytes: digest.bytes) == digest)
        #expect(try JSONDecoder().decode([Digest].self, from: JSONEncoder().encode([digest])) == [digest])
    }

    @Test(arguments: [
        "", "ba7816bf", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a\u{e9}",
    ])
    func `only 64 digits of lower case are a digest`(text: String) {
        #expect(Digest(text) == nil)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Digest].self, from: JSONEncoder().encode([text]))
        }
    }

    @Test func `digests are ordered by their bytes`() throws {
        let low = Digest(bytes: [0] + [UInt8](repeating: 255, count: 31))
        let high = Digest(bytes: [1] + [UInt8](repeating: 0, count: 31))
        #expect(low < high)
        #expect(!(high < low))
        #expect(low.description < high.description)
    }
}
