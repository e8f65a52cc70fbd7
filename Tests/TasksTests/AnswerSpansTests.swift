import Testing

@testable import Tasks

@Suite struct AnswerSpansTests {
    @Test func `windows overlap and end with the context`() {
        #expect(spanWindows(tokens: 10, room: 4, overlap: 1) == [0..<4, 3..<7, 6..<10])
        #expect(spanWindows(tokens: 11, room: 4, overlap: 1) == [0..<4, 3..<7, 6..<10, 9..<11])
        #expect(spanWindows(tokens: 4, room: 4, overlap: 3) == [0..<4])
        #expect(spanWindows(tokens: 0, room: 4, overlap: 0) == [0..<0])
    }

    @Test func `an answer's tokens are those of a window that holds it whole`() {
        // "ab cd ef", the middle word in two tokens.
        let offsets = [0..<2, 3..<4, 4..<5, 6..<8]
        #expect(answerTokens(3..<5, offsets: offsets, window: 0..<4) == 1...2)
        #expect(answerTokens(4..<8, offsets: offsets, window: 1..<4) == 2...3)
        #expect(answerTokens(7..<8, offsets: offsets, window: 0..<4) == 3...3)
        #expect(answerTokens(3..<8, offsets: offsets, window: 0..<3) == nil)
        #expect(answerTokens(0..<5, offsets: offsets, window: 1..<4) == nil)
        #expect(answerTokens(0..<2, offsets: offsets, window: 0..<0) == nil)
        #expect(answerText(1...3, offsets: offsets, context: "ab cd ef") == "cd ef")
        #expect(answerText(0...0, offsets: [1..<3], context: "🙂e\u{301}x") == "e\u{301}")
    }

    @Test func `the best span goes forward, is short enough and of any window`() throws {
        let first = WindowScores(window: 0..<3, starts: [0, 1, 5], ends: [9, 2, 0], noAnswer: 4)
        let second = WindowScores(window: 2..<5, starts: [3, 0, 0], ends: [0, 0, 3], noAnswer: 7)
        // Token 2 starts best and token 0 ends best, which is backwards.
        let best = try #require(bestSpan([second, first]))
        #expect(best == SpanChoice(tokens: 0...0, score: 9, noAnswer: 4))
        #expect(!best.isNone() && best.isNone(threshold: -6))
        #expect(bestSpan([second])?.tokens == 2...4)
        #expect(bestSpan([second], maximumTokens: 2) == SpanChoice(tokens: 2...2, score: 3, noAnswer: 7))
        #expect(bestSpan([WindowScores(window: 0..<0, starts: [], ends: [], noAnswer: 1)]) == nil)
        #expect(bestSpan([]) == nil)
    }

    /// Goal: the search finds what trying every pair finds.
    @Test func `no pair is better than the best span`() throws {
        var generator = MersenneTwister(seed: 3)
        for _ in 0..<50 {
            let count = 1 + Int(generator.next() % 20)
            let starts = (0..<count).map { _ in Float(generator.next() % 100) }
            let ends = (0..<count).map { _ in Float(generator.next() % 100) }
            let scores = WindowScores(window: 5..<5 + count, starts: starts, ends: ends, noAnswer: 0)
            var most: Float = -1
            for first in 0..<count {
                for last in 0..<count where last >= first && last - first < 6 {
                    most = max(most, starts[first] + ends[last])
                }
            }
            let best = try #require(bestSpan([scores], maximumTokens: 6))
            #expect(best.score == most)
            #expect(best.tokens.count <= 6)
        }
    }
}
