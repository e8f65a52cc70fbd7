/// How many workers a sweep has in Slurm's queue: arrays are fixed once they are submitted, so a further one makes up for
/// what is missing, at most one a step. Performs no I/O and reads no clock.
public struct SlurmBacklog: Hashable, Sendable {
    /// The most tasks at once.
    public let workers: Int
    /// Shards that each trains at once.
    public let slots: Int
    /// Those that stood in the queue at the last step, or were submitted since.
    public private(set) var known: Set<SlurmTask.ID> = []
    /// Tasks that ended and were of no use, since the last one that was.
    public private(set) var uselessEnds = 0
    public private(set) var hasGivenUp = false

    /// After so many in a row the cause is none that another try mends.
    public static let endsLimit = 5

    /// How far a task came that has ended.
    public enum Reach: Hashable, Sendable {
        case nowhere
        /// It reached the coordinator and was given nothing.
        case coordinator
        case work
    }

    /// What a step asks for.
    public enum Decision: Hashable, Sendable {
        case nothing
        /// An array of so many tasks, then ``submitted(_:count:)``.
        case submit(Int)
        /// Nothing more is ever submitted: see this task's log.
        case giveUp(SlurmTask.ID, Reach)
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
    ///   - shardsWaiting: those of them that nobody runs.
    ///   - reach: of a task that has ended.
    public mutating func step(
        _ tasks: [SlurmTask],
        shardsLeft: Int,
        shardsWaiting: Int,
        reach: (SlurmTask.ID) -> Reach
    ) -> Decision {
        let alive = Set(tasks.filter { !$0.isCoordinator && $0.isAlive }.map(\.id))
        let ended = self.known.subtracting(alive).sorted()
        self.known = alive
        if self.hasGivenUp { return alive.isEmpty ? .end : .nothing }
        for task in ended {
            let reached = reach(task)
            switch reached {
            case .work: self.uselessEnds = 0
            // Where nothing waits, there was nothing to give.
            case .coordinator: self.uselessEnds += shardsWaiting > 0 ? 1 : 0
            case .nowhere: self.uselessEnds += 1
            }
            guard self.uselessEnds == Self.endsLimit else { continue }
            self.hasGivenUp = true
            return .giveUp(task, reached)
        }
        let missing = min(self.workers, self.tasks(for: shardsLeft)) - alive.count
        // Others may run what is left, such as machines that joined.
        let wanted = min(missing, self.tasks(for: shardsWaiting))
        return wanted > 0 ? .submit(wanted) : .nothing
    }

    private func tasks(for shards: Int) -> Int { (shards + self.slots - 1) / self.slots }

    /// An array was submitted; its tasks may end before the next step sees them.
    public mutating func submitted(_ job: Int, count: Int) {
        for task in 1...count { self.known.insert(SlurmTask.ID(job: job, task: task)) }
    }
}
