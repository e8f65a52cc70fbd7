import Foundation
import TestSupport
import Testing

@testable import Tokenizers

/// Goal: whatever a tokenizer's file holds, it is refused with a ``TokenizerError`` or gives tokens that lie in the text.
/// Method: damaged copies of small valid files; with each that is accepted, a text is encoded.
@Suite struct TokenizerFuzzTests {
    static let text = "the ship e\u{301} ﬁ ½ 東京 <mask>'s [MASK]  x\u{200b}\u{1F468}\u{200D}\u{1F469}\r\n"

    private func use(_ tokenizer: any Tokenizer) -> Fuzzing.Verdict {
        let tokens = tokenizer.tokens(Self.text)
        let count = Self.text.unicodeScalars.count
        precondition(tokens.ids.count == tokens.offsets.count)
        precondition(tokens.offsets.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= count })
        let encoding = tokenizer.encode(Self.text, nil, maximumLength: 32)
        precondition(encoding.ids.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize })
        for id in encoding.ids { _ = tokenizer.text(of: id) }
        return .accepted
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: "\(goldenFolder)/\(path)")))
    }

    private func json(_ bytes: [UInt8]) throws -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw TokenizerError("f", "is not UTF-8") }
        do { return try JSONValue(bytes) } catch { throw TokenizerError("f", error.reason) }
    }

    @Test(.timeLimit(.minutes(60))) func `damaged SentencePiece models`() async throws {
        let report = try await Fuzzing("spm.model").run([try self.bytes("pieces/spm.model")]) { input, _ in
            do {
                return self.use(try UnigramTokenizer.parsing(model: input, path: "f", configuration: nil))
            } catch is TokenizerError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    @Test(.timeLimit(.minutes(60))) func `damaged maps of characters`() async throws {
        let file = try SentencePieceFile(try self.bytes("pieces/spm.model"))
        let report = try await Fuzzing("characters").run([Array(file.characterMap)]) { input, _ in
            guard let map = CharacterMap(input[...]) else { return .refused }
            let bytes = Self.text.utf8Span.span
            let text = map.normalize(AlignedText(bytes, 0..<bytes.count))
            precondition(String(validating: text.bytes, as: UTF8.self) != nil)
            return .accepted
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    @Test(.timeLimit(.minutes(60))) func `damaged vocab.txt and tokenizer_config.json`() async throws {
        let (vocabulary, settings) = (
            try self.bytes("cased/vocab.txt"), try self.bytes("cased/tokenizer_config.json")
        )
        let report = try await Fuzzing("vocab.txt and tokenizer_config.json").run([vocabulary, settings]) { input, _ in
            let isVocabulary = input.first != UInt8(ascii: "{")
            do {
                return self.use(
                    try WordPieceTokenizer.parsing(
                        vocabulary: isVocabulary ? input : vocabulary,
                        path: "f",
                        configuration: try self.json(isVocabulary ? settings : input)
                    )
                )
            } catch is TokenizerError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    @Test(.timeLimit(.minutes(60))) func `damaged vocab.json and merges.txt`() async throws {
        let vocabulary = try self.bytes("bytes-files/vocab.json")
        let merges = try self.bytes("bytes-files/merges.txt")
        let report = try await Fuzzing("vocab.json and merges.txt").run([vocabulary, merges]) { input, _ in
            let isVocabulary = input.first == UInt8(ascii: "{")
            do {
                return self.use(
                    try BytePairTokenizer.parsing(
                        vocabulary: try self.json(isVocabulary ? input : vocabulary),
                        path: "f",
                        merges: isVocabulary ? merges : input,
                        mergesPath: "f",
                        configuration: nil
                    )
                )
            } catch is TokenizerError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    @Test(.timeLimit(.minutes(60)), arguments: ["bytes", "pieces-json", "uncased"])
    func `damaged tokenizer.json`(folder: String) async throws {
        let valid = try self.bytes("\(folder)/tokenizer.json")
        let report = try await Fuzzing("tokenizer.json of \(folder)").run([valid]) { input, _ in
            do {
                let file = try self.json(input)
                switch folder {
                case "bytes": return self.use(try BytePairTokenizer.parsing(file, path: "f"))
                case "pieces-json": return self.use(try UnigramTokenizer.parsing(file, path: "f"))
                default: return self.use(try WordPieceTokenizer.parsing(file, path: "f"))
                }
            } catch is TokenizerError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
