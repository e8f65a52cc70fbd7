/// A sweep as its user writes it: a grid of methods × tasks × seeds, with defaults and overrides.
public struct SweepDefinition: Hashable, Sendable {
    /// One row of the table: a method with the settings that the grid gives it.
    public struct Method: Hashable, Sendable {
        /// What the table's row and an override's `match` call it; unique in the sweep.
        public var label: String
        public var method: String
        public var settings: Settings

        public init(label: String, method: String, settings: Settings) {
            self.label = label
            self.method = method
            self.settings = settings
        }
    }

    /// Settings for the shards that match; of several that match, the last one wins.
    public struct Override: Hashable, Sendable {
        /// `method` (label or name), `task`, `seed`: each must be one of these values.
        public var match: [String: [String]]
        public var set: Settings

        public init(match: [String: [String]], set: Settings) {
            self.match = match
            self.set = set
        }
    }

    /// What its shards ask of a worker. Decides no result.
    public struct Needs: Hashable, Sendable {
        /// Every one of them must be among the worker's.
        public var labels: Set<String>
        /// For one shard, where that is more than the estimate.
        public var memoryBytes: Int

        public init(labels: Set<String> = [], memoryBytes: Int = 0) {
            self.labels = labels
            self.memoryBytes = memoryBytes
        }
    }

    public var name: String
    public var backbone: String
    public var tasks: [String]
    public var methods: [Method]
    public var seeds: [Int]
    public var defaults: Settings
    public var overrides: [Override]
    /// How it shares the workers with other sweeps; `nil` leaves that as it is, or at first at 0 and 1.
    public var priority: Int?
    public var weight: Int?
    public var needs: Needs
    /// OpenBLAS's kernels on which all its shards run, so that machines of several kinds give one set of bits.
    public var kernelClass: String?

    public init(
        name: String,
        backbone: String,
        tasks: [String],
        methods: [Method],
        seeds: [Int],
        defaults: Settings = [:],
        overrides: [Override] = [],
        priority: Int? = nil,
        weight: Int? = nil,
        needs: Needs = Needs(),
        kernelClass: String? = nil
    ) {
        self.name = name
        self.backbone = backbone
        self.tasks = tasks
        self.methods = methods
        self.seeds = seeds
        self.defaults = defaults
        self.overrides = overrides
        self.priority = priority
        self.weight = weight
        self.needs = needs
        self.kernelClass = kernelClass
    }

    /// What a priority may be.
    public static let priorities = -1000...1000

    /// What a weight may be.
    public static let weights = 1...1000

    /// The most labels that a sweep may ask for.
    public static let labelLimit = 64

    /// The most memory that a shard may ask for, in GiB.
    public static let memoryLimitGibibytes = 1 << 20

    /// What ``kernelClass`` may be: OpenBLAS's names.
    public static let kernelClasses = ["Haswell", "Zen", "SkylakeX", "Cooperlake"]

    /// The most shards that one sweep may have.
    public static let shardLimit = 100_000

    /// The most seeds that one sweep may have.
    public static let seedLimit = 10_000
}

/// One entry of the table: a task and a method, for some seeds.
public struct Cell: Hashable, Codable, Sendable {
    public var task: String
    /// The method's label in the sweep.
    public var label: String
    public var method: String

    public init(task: String, label: String, method: String) {
        self.task = task
        self.label = label
        self.method = method
    }
}

/// A shard's place in a sweep, with every setting resolved.
public struct PlannedShard: Hashable, Sendable {
    public var cell: Cell
    public var seed: Int
    /// Every resolved setting, those included that do not decide the result.
    public var settings: Settings
    /// See ``SweepDefinition/kernelClass``.
    public var kernelClass: String?

    /// `rte/lora/3`: for people.
    public var name: String { "\(self.cell.task)/\(self.cell.label)/\(self.seed)" }
}

extension SweepDefinition {
    /// The grid in its fixed order: methods outermost, then tasks, then seeds.
    ///
    /// - Throws: ``InvalidSettings``, ``UnknownName`` or ``InvalidSetting`` naming what a shard cannot have.
    public func shards() throws -> [PlannedShard] {
        var planned: [PlannedShard] = []
        for entry in self.methods {
            let method = try MethodDescription.named(entry.method)
            for task in self.tasks {
                let cell = Cell(task: try TaskDescription.named(task).name, label: entry.label, method: method.name)
                // Most seeds of a cell have the same settings: to resolve them takes longer than all else here.
                var resolved: [[Int]: Settings] = [:]
                for seed in self.seeds {
                    let matching = self.overrides.indices.filter { self.overrides[$0].matches(cell, seed: seed) }
                    let settings =
                        try resolved[matching] ?? self.settings(of: entry, method, overrides: matching)
                    resolved[matching] = settings
                    planned.append(
                        PlannedShard(cell: cell, seed: seed, settings: settings, kernelClass: self.kernelClass)
                    )
                }
            }
        }
        return planned
    }

    /// Settings in the order of their force: the method's defaults, the sweep's, the method entry's, overrides.
    ///
    /// Defaults and overrides may name settings of other methods of the grid; these are not this method's.
    private func settings(of entry: Method, _ method: MethodDescription, overrides: [Int]) throws -> Settings {
        let known = Set(method.allSettings.map(\.name))
        var given: Settings = [:]
        /// `warmupSteps` and `warmupRatio` are two ways to say one thing: the later one replaces the earlier.
        func apply(_ settings: Settings) {
            if settings["warmupSteps"] != nil { given["warmupRatio"] = nil }
            if settings["warmupRatio"] != nil { given["warmupSteps"] = nil }
            given.merge(settings) { $1 }
        }
        apply(self.defaults.filter { known.contains($0.key) })
        apply(entry.settings)
        for index in overrides { apply(self.overrides[index].set.filter { known.contains($0.key) }) }
        return try method.resolve(given)
    }
}

extension SweepDefinition.Override {
    /// What `match` may name.
    public static let matchKeys = ["method", "task", "seed"]

    func matches(_ cell: Cell, seed: Int) -> Bool {
        self.match.allSatisfy { key, values in
            switch key {
            case "method": values.contains(cell.label) || values.contains(cell.method)
            case "task": values.contains { (try? TaskDescription.named($0).name) == cell.task }
            case "seed": values.contains(String(seed))
            default: false
            }
        }
    }
}
