import Testing

@testable import Tokenizers

@Suite struct PostProcessorTests {
    /// The rule in words: while there are too many, the longer text loses one; of equally long ones the text that was
    /// the shorter at first (the first, where neither was).
    @Test func `cutting at once is cutting one by one`() {
        for first in 0..<14 {
            for second in 0..<14 {
                for available in 0..<30 {
                    var kept = (first: first, second: second)
                    while kept.first + kept.second > available {
                        if kept.first > kept.second || kept.first == kept.second && first <= second {
                            kept.first -= 1
                        } else {
                            kept.second -= 1
                        }
                    }
                    let cut = PostProcessor.truncated(first, second, to: available)
                    #expect(cut == kept, "\(first) and \(second) to \(available)")
                }
            }
        }
    }

    @Test func `a file without post-processor gets no special tokens`() {
        let encoding = PostProcessor.none.encoding([5, 6], [7], maximumLength: 8)
        #expect(encoding == Encoding(ids: [5, 6, 7], typeIDs: [0, 0, 1]))
    }
}
