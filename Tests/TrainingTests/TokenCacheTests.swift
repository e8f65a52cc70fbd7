import Foundation
import Sweeps
import Testing
import Tokenizers

@testable import Tasks
@testable import Training

@Suite struct TokenCacheTests {
    private static let texts = ["the warm film", "", "a dull story", "warm"]

    private func cache(_ shard: SmallShard, maximumLength: Int = 8) throws -> TokenCache {
        var order = try shard.order(method: "full", ["maximumLength": .integer(maximumLength)])
        order.tokensFolder = shard.folder + "/tokens"
        return try #require(TokenCache(order, Hyperparameters(order.shard.settings)))
    }

    private func answers(_ source: TokenSource, _ texts: [String]) -> [[Int32]] {
        texts.flatMap { text in
            let tokens = source.tokens(text)
            let encoding = source.encode(TextPair(first: text, second: "so"), maximumLength: 8)
            let places = tokens.offsets.flatMap { [Int32($0.lowerBound), Int32($0.upperBound)] }
            return [tokens.ids, places, encoding.ids, encoding.typeIDs]
        }
    }

    /// Goal: what is read back is what the tokenizer said; what does not fit is made again. Method: the second source
    /// has another tokenizer's answers to tell by.
    @Test func `tokens are read back, and made again where they do not fit`() throws {
        let shard = try SmallShard()
        let tokenizer = try loadTokenizer(folder: shard.folder + "/backbone")
        let cache = try self.cache(shard)
        #expect(cache.load() == nil)
        let first = TokenSource(tokenizer, cache)
        let expected = self.answers(first, Self.texts)
        first.save()
        #expect(self.answers(TokenSource(Mute(), cache), Self.texts) == expected)
        #expect(
            self.answers(TokenSource(tokenizer, cache), Self.texts.reversed())
                == self.answers(first, Self.texts.reversed())
        )
        #expect(try self.cache(shard, maximumLength: 9).load() == nil)
    }

    @Test func `a damaged file is no record`() throws {
        let shard = try SmallShard()
        let cache = try self.cache(shard)
        let source = TokenSource(try loadTokenizer(folder: shard.folder + "/backbone"), cache)
        _ = self.answers(source, Self.texts)
        source.save()
        let folder = shard.folder + "/tokens"
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
        let file = URL(filePath: folder + "/" + name)
        let whole = try Data(contentsOf: file)
        for place in [0, 40, whole.count - 1] {
            var damaged = whole
            damaged[place] ^= 4
            try damaged.write(to: file)
            #expect(cache.load() == nil, "byte \(place)")
        }
        try whole.dropLast().write(to: file)
        #expect(cache.load() == nil)
        try whole.write(to: file)
        #expect(cache.load() != nil)
    }
}

/// Knows no token.
private struct Mute: Tokenizer {
    let vocabularySize = 0
    let specialTokensOfPair = 0
    func secondStart(firstCount: Int) -> Int { firstCount }
    func encode(_ first: String, _ second: String?, maximumLength: Int) -> Encoding { Encoding(ids: [], typeIDs: []) }
    func encode(ids first: [Int32], _ second: [Int32]?, maximumLength: Int) -> Encoding {
        Encoding(ids: [], typeIDs: [])
    }
    func tokens(_ text: String) -> Tokens { Tokens(ids: [], offsets: []) }
    func text(of id: Int32) -> String? { nil }
}
