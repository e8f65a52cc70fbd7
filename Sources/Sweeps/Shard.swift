public import Digests

/// Raised whenever the same shard may give other bits than before; part of every shard's key, so that results
/// of different numerics never mix. A test pins the digest of a tiny shard and fails until this is raised.
public let numericsVersion = 1

/// The key of a shard: what its result is filed under.
public typealias ShardKey = Digest

/// Everything that decides the result of one training run, and nothing else: no names, paths, times or machines.
public struct Shard: Hashable, Codable, Sendable {
    /// The digest of the backbone's files (configuration, tokenizer, weights).
    public var backbone: Digest
    /// The digest of the task's files.
    public var data: Digest
    public var task: String
    public var method: String
    /// Every resolved setting of the method that decides the result.
    public var settings: Settings
    public var seed: Int
    public var numerics: Int

    public init(backbone: Digest, data: Digest, task: String, method: String, settings: Settings, seed: Int) throws {
        let description = try MethodDescription.named(method)
        let deciding = Set(description.allSettings.filter(\.decidesResult).map(\.name))
        self.backbone = backbone
        self.data = data
        self.task = task
        self.method = method
        self.settings = settings.filter { deciding.contains($0.key) }
        self.seed = seed
        self.numerics = numericsVersion
    }

    /// SHA-256 of the shard as canonical JSON.
    public var key: ShardKey {
        let canonical = CanonicalJSON.object([
            "schema": .integer(1),
            "backbone": .text(self.backbone.description),
            "data": .text(self.data.description),
            "task": .text(self.task),
            "method": .text(self.method),
            "settings": .object(self.settings.mapValues(CanonicalJSON.init)),
            "seed": .integer(self.seed),
            "numerics": .integer(self.numerics),
        ])
        return SHA256.hash(canonical.written)
    }
}
