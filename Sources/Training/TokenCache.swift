internal import Digests
internal import Encoders
internal import Files
internal import Foundation
internal import Sweeps
internal import Tasks
internal import Tokenizers

/// Where the tokens of a shard's examples are kept: shards that differ in method or seed alone tokenise once.
struct TokenCache {
    private let folder: String
    /// Of all that decides which texts are tokenised, in which order, and by what.
    private let key: Digest

    /// - Returns: nil where the order names no folder.
    init?(_ order: TrainerOrder, _ hyperparameters: Hyperparameters) {
        guard let folder = order.tokensFolder else { return nil }
        func text(_ limit: Int?) -> String { limit.map(String.init) ?? "all" }
        let parts = [
            "1", String(order.shard.numerics), "\(order.shard.backbone)", "\(order.shard.data)", order.shard.task,
            hyperparameters.splitProtocol.rawValue, text(hyperparameters.trainingExamples),
            text(hyperparameters.evaluationExamples), String(hyperparameters.maximumLength),
        ]
        self.folder = folder
        self.key = SHA256.hash(parts.joined(separator: "\n"))
    }

    private var path: String { "\(self.folder)/\(self.key).tokens" }

    /// What was kept; nothing where there is no whole file.
    func load() -> TokenRecord? {
        guard let bytes = try? DurableFile.read(self.path, bytesLimit: Self.bytesLimit),
            bytes.count > Digest.byteCount,
            SHA256.hash(Array(bytes[Digest.byteCount...])).bytes == Array(bytes[..<Digest.byteCount])
        else { return nil }
        return try? TokenRecord(Safetensors(path: self.path, bytes: Array(bytes[Digest.byteCount...])))
    }

    /// Keeps a record where there is room; that it could not be kept is nobody's loss.
    func save(_ record: TokenRecord) {
        guard let bytes = try? record.bytes(), bytes.count < Self.bytesLimit - Digest.byteCount else { return }
        try? FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
        guard let free = DurableFile.freeBytes(at: self.folder), free - bytes.count > Self.leftFreeBytes else { return }
        let whole = Data(SHA256.hash(bytes).bytes + bytes)
        try? whole.write(to: URL(filePath: self.path), options: .atomic)
        self.removeOldest()
    }

    private func removeOldest() {
        let keys: Set<URLResourceKey> = [.contentModificationDateKey, .fileSizeKey]
        let files = try? FileManager.default.contentsOfDirectory(
            at: URL(filePath: self.folder),
            includingPropertiesForKeys: Array(keys)
        )
        let known = (files ?? []).filter { $0.pathExtension == "tokens" }.compactMap { file in
            (try? file.resourceValues(forKeys: keys)).map {
                (file, $0.contentModificationDate ?? .distantPast, $0.fileSize ?? 0)
            }
        }
        var bytes = 0
        for (file, _, size) in known.sorted(by: { $0.1 > $1.1 }) {
            bytes += size
            if bytes > Self.folderBytesLimit { try? FileManager.default.removeItem(at: file) }
        }
    }

    private static let bytesLimit = 2 << 30
    private static let folderBytesLimit = 4 << 30
    private static let leftFreeBytes = 1 << 30
}

/// What a tokenizer said, call by call. A call is known by its text, so that a record of others is of no use but does
/// no harm.
struct TokenRecord {
    /// Of each call: its text's sum, and how many tokens it has.
    private var sums: [Int32] = []
    private var counts: [Int32] = []
    /// Of each token of every call: its id; its type, or where it begins; 0, or where it ends.
    private var ids: [Int32] = []
    private var starts: [Int32] = []
    private var ends: [Int32] = []
    /// What is read next.
    private var call = 0
    private var token = 0

    init() {}

    fileprivate init(_ file: Safetensors) throws {
        func read(_ name: String) throws -> [Int32] { Array(try file.integers(name)) }
        (self.sums, self.counts) = (try read("sums"), try read("counts"))
        (self.ids, self.starts, self.ends) = (try read("ids"), try read("starts"), try read("ends"))
        let tokens = self.counts.reduce(0) { $0 + Int($1) }
        guard self.sums.count == self.counts.count, self.counts.allSatisfy({ $0 >= 0 }),
            [self.ids, self.starts, self.ends].allSatisfy({ $0.count == tokens })
        else { throw CheckpointError("\(file.path) is no record of tokens") }
    }

    fileprivate func bytes() throws -> [UInt8] {
        var writer = SafetensorsWriter()
        let parts = [("sums", self.sums), ("counts", self.counts), ("ids", self.ids)]
        for (name, values) in parts + [("starts", self.starts), ("ends", self.ends)] {
            values.withUnsafeBufferPointer { writer.add(name, shape: [values.count], $0) }
        }
        return try writer.bytes()
    }

    mutating func append(_ encoding: Encoding, of text: String) {
        self.append(text, encoding.ids, encoding.typeIDs, [Int32](repeating: 0, count: encoding.ids.count))
    }

    mutating func append(_ tokens: Tokens, of text: String) {
        let (starts, ends) = (tokens.offsets.map { Int32($0.lowerBound) }, tokens.offsets.map { Int32($0.upperBound) })
        self.append(text, tokens.ids, starts, ends)
    }

    private mutating func append(_ text: String, _ ids: [Int32], _ starts: [Int32], _ ends: [Int32]) {
        self.sums.append(Self.sum(text))
        self.counts.append(Int32(ids.count))
        self.ids += ids
        self.starts += starts
        self.ends += ends
    }

    /// What the next call said, where it was of this text.
    mutating func nextEncoding(_ text: String) -> Encoding? {
        self.next(text).map { Encoding(ids: Array(self.ids[$0]), typeIDs: Array(self.starts[$0])) }
    }

    mutating func nextTokens(_ text: String) -> Tokens? {
        self.next(text).map { range in
            let offsets = zip(self.starts[range], self.ends[range]).map { Int($0)..<max(Int($0), Int($1)) }
            return Tokens(ids: Array(self.ids[range]), offsets: offsets)
        }
    }

    private mutating func next(_ text: String) -> Range<Int>? {
        guard self.call < self.sums.count, self.sums[self.call] == Self.sum(text) else { return nil }
        let range = self.token..<self.token + Int(self.counts[self.call])
        (self.call, self.token) = (self.call + 1, range.upperBound)
        return range
    }

    /// FNV-1a.
    private static func sum(_ text: String) -> Int32 {
        Int32(bitPattern: text.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 })
    }
}

/// A tokenizer, or what it said before.
final class TokenSource {
    let tokenizer: any Tokenizer
    private let cache: TokenCache?
    private var known: TokenRecord?
    private var made = TokenRecord()

    init(_ tokenizer: any Tokenizer, _ cache: TokenCache?) {
        self.tokenizer = tokenizer
        self.cache = cache
        self.known = cache?.load()
    }

    func encode(_ text: TextPair, maximumLength: Int) -> Encoding {
        let key = "\(text.first)\n\(text.second ?? "")"
        if let encoding = self.known?.nextEncoding(key) { return encoding }
        let encoding = self.tokenizer.encode(text.first, text.second, maximumLength: maximumLength)
        if self.cache != nil { self.made.append(encoding, of: key) }
        return encoding
    }

    func tokens(_ text: String) -> Tokens {
        if let tokens = self.known?.nextTokens(text) { return tokens }
        let tokens = self.tokenizer.tokens(text)
        if self.cache != nil { self.made.append(tokens, of: text) }
        return tokens
    }

    /// Keeps what was said, unless it was known.
    func save() {
        if self.known == nil { self.cache?.save(self.made) }
    }
}
