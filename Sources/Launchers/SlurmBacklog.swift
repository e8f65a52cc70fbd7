/// How many workers a sweep has in Slurm's queue: arrays are fixed once they are submitted, so a further one makes up for
/// what is missing, at most one a step. Performs no I/O and reads no clock.
public struct SlurmBacklog: Hashable, Sendable {
    /// The most tasks at once.
    public let workers: Int
    /// Shards that each trains at once.
    public let slots: Int
    /// Those that stood in the queue at the last step, or were submitted since.
    public private(set) var known: Set<SlurmTask.ID> = []
    /// Tasks that ended and had never reached the coordinator, since the last one that had.
    public private(set) var endsWithoutJoining = 0
    public private(set) var hasGivenUp = false

    /// After so many in a row the cause is none that another try mends.
    public static let endsLimit = 5

    /// What a step asks for.
    public enum Decision: Hashable, Sendable {
        case nothing
        /// An array of so many tasks, then ``submitted(_:count:)``.
        case submit(Int)
        /// Nothing more is ever submitted: see this task's log.
        case giveUp(SlurmTask.ID)
        /// It has given up, and no task is left.
        case end
    }

    public init(workers: Int, slots: Int) {
        precondition(workers > 0 && slots > 0, "\(workers) workers with \(slots) slots")
        self.workers = workers
        self.slots = slots
    }

    /// - Parameters:
    ///   - tasks: the queue.
    ///   - shardsLeft: that wait or run.
    ///   - hasJoined: whether a task that has ended had ever reached the coordinator.
    public mutating func step(
        _ tasks: [SlurmTask],
        shardsLeft: Int,
        hasJoined: (SlurmTask.ID) -> Bool
    ) -> Decision {
        let alive = Set(tasks.filter { !$0.isCoordinator && $0.isAlive }.map(\.id))
        let ended = self.known.subtracting(alive).sorted()
        self.known = alive
        if self.hasGivenUp { return alive.isEmpty ? .end : .nothing }
        for task in ended {
            self.endsWithoutJoining = hasJoined(task) ? 0 : self.endsWithoutJoining + 1
            guard self.endsWithoutJoining == Self.endsLimit else { continue }
            self.hasGivenUp = true
            return .giveUp(task)
        }
        let wanted = min(self.workers, (shardsLeft + self.slots - 1) / self.slots)
        return wanted > alive.count ? .submit(wanted - alive.count) : .nothing
    }

    /// An array was submitted; its tasks may end before the next step sees them.
    public mutating func submitted(_ job: Int, count: Int) {
        for task in 1...count { self.known.insert(SlurmTask.ID(job: job, task: task)) }
    }
}
