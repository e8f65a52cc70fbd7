/// A sweep as its user writes it: a grid of methods × tasks × seeds, with defaults and overrides.
public struct SweepDefinition: Hashable, Sendable {
    /// One row of the table: a method with the settings that the grid gives it.
    public struct Method: Hashable, Sendable {
        /// What the table's row and an override's `match` call it; unique in the sweep.
        public var label: String
        public var method: String
        /// Its own, which replace those of its preset.
        public var settings: Settings
        /// The name of a ``Preset``.
        public var preset: String?
        /// Of its own settings.
        public var source: SettingSource?

        public init(
            label: String,
            method: String,
            settings: Settings,
            preset: String? = nil,
            source: SettingSource? = nil
        ) {
            self.label = label
            self.method = method
            self.settings = settings
            self.preset = preset
            self.source = source
        }
    }

    /// Settings for the shards that match; of several that match, the last one wins.
    public struct Override: Hashable, Sendable {
        /// `method` (label or name), `task`, `seed`: each must be one of these values.
        public var match: [String: [String]]
        public var set: Settings
        public var source: SettingSource?
        /// In the grid file, counted from 1.
        public var line: Int?

        public init(
            match: [String: [String]],
            set: Settings,
            source: SettingSource? = nil,
            line: Int? = nil
        ) {
            self.match = match
            self.set = set
            self.source = source
            self.line = line
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
    /// Of ``defaults``.
    public var defaultsSource: SettingSource?
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
        defaultsSource: SettingSource? = nil,
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
        self.defaultsSource = defaultsSource
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
    /// - Throws: ``InvalidSettings``, ``UnknownName``, ``InvalidSetting`` or ``PresetError`` naming what a shard cannot
    ///   have, or lacks.
    public func shards() throws -> [PlannedShard] {
        var planned: [PlannedShard] = []
        for (entry, method, cell) in try self.cells() {
            // Most seeds of a cell have the same settings: to resolve them takes longer than all else here.
            var resolved: [[Int]: Settings] = [:]
            for seed in self.seeds {
                let matching = self.overrides(of: cell, seed: seed)
                let settings =
                    try resolved[matching]
                    ?? method.resolve(self.given(to: cell, by: entry, method, overrides: matching).settings)
                resolved[matching] = settings
                planned.append(
                    PlannedShard(cell: cell, seed: seed, settings: settings, kernelClass: self.kernelClass)
                )
            }
        }
        return planned
    }

    /// The grid's cells in its order.
    func cells() throws -> [(entry: Method, method: MethodDescription, cell: Cell)] {
        try self.methods.flatMap { entry in
            let method = try MethodDescription.named(entry.method)
            return try self.tasks.map { task in
                (
                    entry, method,
                    Cell(task: try TaskDescription.named(task).name, label: entry.label, method: method.name)
                )
            }
        }
    }

    /// The places of the overrides that match.
    func overrides(of cell: Cell, seed: Int) -> [Int] {
        self.overrides.indices.filter { self.overrides[$0].matches(cell, seed: seed) }
    }

    /// What is said of a cell's settings, in the order of its force: the sweep's defaults, the preset, the method
    /// entry's own, overrides.
    ///
    /// Defaults and overrides may name settings of other methods of the grid; these are not this method's.
    func given(to cell: Cell, by entry: Method, _ method: MethodDescription, overrides: [Int]) throws -> GivenSettings {
        let known = Set(method.allSettings.map(\.name))
        let preset = try entry.preset.map { name in try Preset.named(name) }
        var given = GivenSettings()
        given.apply(self.defaults.filter { known.contains($0.key) }, rule: .defaults, source: self.defaultsSource)
        if let preset {
            given.apply(try preset.values(method: method.name, task: cell.task), named: preset.name)
        }
        given.apply(entry.settings, rule: .method, source: entry.source)
        for index in overrides {
            let override = self.overrides[index]
            given.apply(
                override.set.filter { known.contains($0.key) },
                rule: .override(index + 1, line: override.line),
                source: override.source
            )
        }
        try preset?.check(given.settings, method: method.name, task: cell.task, label: entry.label)
        return given
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
