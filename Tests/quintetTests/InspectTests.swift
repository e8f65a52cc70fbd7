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
}
