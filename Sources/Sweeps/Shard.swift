public import Digests

/// Raised whenever the same shard may give other bits than before; part of every shard's key, so that results
/// of different numerics never mix. A test pins the digest of a tiny shard and fails until this is raised.
public let numericsVersion = 3

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
    /// OpenBLAS's kernels where the sweep chooses them: they decide bits. Else the worker's own, which the result names.
    public var kernelClass: String?

    public init(
        backbone: Digest,
        data: Digest,
        task: String,
        method: String,
        settings: Settings,
        seed: Int,
        kernelClass: String? = nil
    ) throws {
        let description = try MethodDescription.named(method)
        let deciding = Set(description.allSettings.filter(\.decidesResult).map(\.name))
        self.backbone = backbone
        self.data = data
        self.task = task
        self.method = method
        self.settings = settings.filter { deciding.contains($0.key) }
        self.seed = seed
        self.numerics = numericsVersion
        self.kernelClass = kernelClass
    }

    /// SHA-256 of the shard as canonical JSON.
    public var key: ShardKey {
        SHA256.hash(CanonicalJSON.object(self.parts.merging(["seed": .integer(self.seed)]) { $1 }).written)
    }

    /// The same without the seed: shards that share it are one entry of a table.
    public var cellDigest: Digest { SHA256.hash(CanonicalJSON.object(self.parts).written) }

    private var parts: [String: CanonicalJSON] {
        var parts: [String: CanonicalJSON] = [
            "schema": .integer(1),
            "backbone": .text(self.backbone.description),
            "data": .text(self.data.description),
            "task": .text(self.task),
            "method": .text(self.method),
            "settings": .object(self.settings.mapValues(CanonicalJSON.init)),
            "numerics": .integer(self.numerics),
        ]
        parts["kernelClass"] = self.kernelClass.map(CanonicalJSON.text)
        return parts
    }
}

extension PlannedShard {
    /// The shard on these files.
    public func shard(backbone: Digest, data: Digest) throws -> Shard {
        try Shard(
            backbone: backbone,
            data: data,
            task: self.cell.task,
            method: self.cell.method,
            settings: self.settings,
            seed: self.seed,
            kernelClass: self.kernelClass
        )
    }
}

extension Shard {
    /// The parts of the key that differ, each with both values: why the one runs although the other has a result.
    public func differences(from other: Shard) -> [String] {
        func part(_ name: String, _ mine: some CustomStringConvertible, _ theirs: some CustomStringConvertible)
            -> String?
        {
            mine.description == theirs.description ? nil : "\(name): \(theirs) → \(mine)"
        }
        let settings = Set(self.settings.keys).union(other.settings.keys).sorted().map { name in
            part(name, Self.text(self.settings[name]), Self.text(other.settings[name]))
        }
        return
            ([
                part("backbone files", self.backbone.short, other.backbone.short),
                part("data files", self.data.short, other.data.short), part("task", self.task, other.task),
                part("method", self.method, other.method), part("seed", self.seed, other.seed),
                part("numerics version", self.numerics, other.numerics),
                part("kernel class", self.kernelClass ?? "any", other.kernelClass ?? "any"),
            ] + settings).compactMap { $0 }
    }

    private static func text(_ value: SettingValue?) -> String {
        value.map { CanonicalJSON($0).written } ?? "none"
    }
}
