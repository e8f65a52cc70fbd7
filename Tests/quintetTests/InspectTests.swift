import Fetching
import Foundation
import Sweeps
import Tasks
import Testing

@testable import quintet

@Suite struct InspectTests {
    @Test func `a split's labels and lengths are told`() throws {
        let examples = (0..<8).map { Example(first: "\($0)", label: .classIndex($0 == 0 ? 0 : 1)) }
        let summary = SplitSummary(
            name: "train",
            examples: examples,
            lengths: [3, 9, 4, 5, 6, 8, 7, 20],
            task: try TaskDescription.named("boolq")
        )
        #expect(
            summary.lines(maximumLength: 8) == [
                "train: 8 rows; false 12.5 %, true 87.5 %",
                "  tokens: median 7, 90 % 9, 99 % 20, longest 20; 25.0 % cut at 8",
            ]
        )
    }

    @Test func `scores are told by their range`() throws {
        let examples = [Float(0), 2.5, 5].map { Example(first: "", label: .score($0)) }
        let task = try TaskDescription.named("sts-b")
        let summary = SplitSummary(name: "test", examples: examples, lengths: [3, 3, 3], task: task)
        #expect(summary.lines(maximumLength: 3)[0] == "test: 3 rows; scores 0.0 to 5.0, mean 2.5")
    }

    private let folder = FileManager.default.temporaryDirectory.appending(path: "inspect-\(UUID().uuidString)")

    @Test func `a backbone's parameters are told by part`() async throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let cache = Cache(folder: self.folder)
        let made = try await Fetcher(cache: cache, catalogue: .quintet).fetch("tiny-random").path
        let found = try SweepFolders(cache: cache).existingBackbone("tiny-random")
        #expect(found == made)
        #expect(
            try BackboneSummary(folder: found).lines == [
                made,
                "BERT: 2 layers, hidden 64, 4 heads, intermediate 128, 64 positions, vocabulary 62",
                "tokenizer: WordPiece, 62 tokens",
                "parameters: 75,264",
                "   8,320  embeddings",
                "  66,944  blocks: 2 of 33,472",
                "       0  pooler: not in the file, starts from the seed",
                "weights: one safetensors file, fp32 301,056 bytes",
            ]
        )
    }

    /// Method: the small DeBERTa of the encoder's tests with a tokenizer of the tokenizers' tests.
    @Test func `what is of all blocks, not used or does not fit is told`() throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let tests = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "..")
        let backbone = tests.appending(path: "EncodersTests/Golden/deberta-v3")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        for file in ["config.json", "model.safetensors"] {
            try FileManager.default.copyItem(
                at: backbone.appending(path: file),
                to: self.folder.appending(path: file)
            )
        }
        #expect(throws: (any Error).self) { try BackboneSummary(folder: self.folder.path) }
        try FileManager.default.copyItem(
            at: tests.appending(path: "TokenizersTests/Golden/pieces/spm.model"),
            to: self.folder.appending(path: "spm.model")
        )
        let lines = try BackboneSummary(folder: self.folder.path).lines
        #expect(lines[1].hasPrefix("DeBERTa: 2 layers, hidden 24"))
        #expect(lines[2].hasPrefix("tokenizer: Unigram") && lines[2].hasSuffix("these files do not go together"))
        #expect(lines.contains("     432  relative positions and convolution"))
        #expect(lines.contains("     600  pooler"))
        #expect(lines.last == "head: classifier.bias, classifier.weight")
    }

    @Test func `what is no backbone is told with what would be one`() {
        let folders = SweepFolders(cache: Cache(folder: self.folder))
        func problem(_ name: String) -> String {
            do { return try folders.existingBackbone(name, or: "task") } catch { return "\(error)" }
        }
        #expect(problem("roberta-larg") == #"unknown task or backbone "roberta-larg"; did you mean "roberta-large"?"#)
        #expect(problem("roberta-large").hasSuffix("is not in the cache; bring it there: quintet fetch roberta-large"))
        #expect(problem("./a") == "./a")
    }
}
