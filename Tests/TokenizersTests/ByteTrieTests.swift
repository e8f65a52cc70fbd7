import Testing

@testable import Tokenizers

@Suite struct ByteTrieTests {
    @Test func `finds the longest key and nothing else`() throws {
        var trie = ByteTrie()
        for (id, key) in ["a", "abc", "b", "##b", "##"].enumerated() { trie.insert(key.utf8, id: Int32(id)) }
        let prefix = try #require(trie.node(of: "##".utf8))
        func match(_ text: String, from node: Int32) -> [Int]? {
            trie.longestMatch(text.utf8Span.span, 0..<text.utf8.count, from: node).map { [Int($0.id), $0.end] }
        }
        #expect(match("abab", from: ByteTrie.root) == [0, 1])
        #expect(match("abcd", from: ByteTrie.root) == [1, 3])
        #expect(match("bab", from: prefix) == [3, 1])
        #expect(match("abab", from: prefix) == nil)
        #expect(match("", from: prefix) == nil)
        #expect(trie.id(of: "ab".utf8) == nil)
        #expect(trie.id(of: "abc".utf8) == 1)
    }

    @Test func `keeps every key as it grows`() {
        var trie = ByteTrie()
        let keys = (0..<3000).map { String($0, radix: 7) }
        for (id, key) in keys.enumerated() { trie.insert(key.utf8, id: Int32(id)) }
        for (id, key) in keys.enumerated() { #expect(trie.id(of: key.utf8) == Int32(id)) }
        #expect(trie.id(of: "x".utf8) == nil)
    }
}
