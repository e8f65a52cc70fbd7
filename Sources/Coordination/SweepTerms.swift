/// On what terms a sweep shares the workers with others.
public struct SweepTerms: Hashable, Codable, Sendable {
    public enum Standing: String, Codable, Sendable, CaseIterable {
        case active
        /// It gets no more leases until a person lets it go on; what runs is handed back.
        case paused
        /// It gets none ever again, and what runs for it alone is stopped.
        case cancelled
    }

    public var name: String
    /// A sweep of a higher priority gets everything that it can use before others get anything.
    public var priority: Int
    /// Among sweeps of one priority: its share of the running shards goes by its weight.
    public var weight: Int
    public var standing: Standing

    public init(name: String, priority: Int = 0, weight: Int = 1, standing: Standing = .active) {
        precondition(weight > 0, "sweep \(name) has weight \(weight)")
        self.name = name
        self.priority = priority
        self.weight = weight
        self.standing = standing
    }
}

/// What a shard asks of a worker.
public struct Needs: Hashable, Codable, Sendable {
    public var memoryBytes: Int
    /// Every one of them must be among the worker's.
    public var labels: Set<String>
    /// OpenBLAS's kernels that the worker must be able to run, where only some will do.
    public var kernelClass: String?
    /// The most that one of its checkpoints takes on a disk, where that is known.
    public var checkpointBytes: Int?

    public init(
        memoryBytes: Int = 0,
        labels: Set<String> = [],
        kernelClass: String? = nil,
        checkpointBytes: Int? = nil
    ) {
        self.memoryBytes = memoryBytes
        self.labels = labels
        self.kernelClass = kernelClass
        self.checkpointBytes = checkpointBytes
    }
}

/// What a worker offers.
public struct Capacity: Hashable, Sendable {
    /// Trainers at once.
    public var slots: Int
    /// For all its trainers together.
    public var memoryBytes: Int
    public var labels: Set<String>
    /// What decides bits on its machine, where it knows.
    public var kernelClass: String?
    /// All of OpenBLAS's kernels that its processor can run, by their names.
    public var kernels: Set<String>
    /// Until its machine is taken away, where that is known.
    public var secondsLeft: Int?

    public init(
        slots: Int,
        memoryBytes: Int = .max,
        labels: Set<String> = [],
        kernelClass: String? = nil,
        kernels: Set<String> = [],
        secondsLeft: Int? = nil
    ) {
        self.slots = slots
        self.memoryBytes = memoryBytes
        self.labels = labels
        self.kernelClass = kernelClass
        self.kernels = kernels
        self.secondsLeft = secondsLeft
    }
}
