public import Sweeps

/// What a shard trains on, chooses by, and is measured on.
public struct Splits: Hashable, Sendable {
    public var train: [Example]
    public var validation: [Example]
    /// Nil where the protocol has no test split.
    public var test: [Example]?

    public init(train: [Example], validation: [Example], test: [Example]?) {
        self.train = train
        self.validation = validation
        self.test = test
    }
}

/// A task's examples under a split protocol.
public struct TaskData: Sendable {
    public let task: TaskDescription
    public let splits: Splits

    /// Reads the official files and splits them.
    ///
    /// `soraSplit42` (seed 42 whatever the shard's seed is): for tasks with a small training set, validation and test
    /// are the halves of dev, permuted; for SST-2 validation is 1,000 of train, permuted, train the rest, and test the
    /// whole of dev. `fullDev`: validation is the whole of dev, and there is no test.
    ///
    /// `trainingExamples` and `evaluationExamples` keep so many of train, and of validation and test each: the first of
    /// the split's rows arranged by ``torchPermutation(count:seed:)`` with seed 42, or the first rows of
    /// `movie-reviews` and `offline`, whose files are permuted already. A split that has no more than that keeps its
    /// order.
    ///
    /// - Throws: ``TaskFileError``.
    public init(
        task: TaskDescription,
        folder: String,
        protocol splitProtocol: SplitProtocol,
        trainingExamples: Int? = nil,
        evaluationExamples: Int? = nil
    ) throws(TaskFileError) {
        let files = try TaskFiles(task: task, folder: folder)
        self.init(
            task: task,
            train: try files.examples(.train),
            dev: try files.examples(.dev),
            protocol: splitProtocol,
            trainingExamples: trainingExamples,
            evaluationExamples: evaluationExamples
        )
    }

    init(
        task: TaskDescription,
        train: [Example],
        dev: [Example],
        protocol splitProtocol: SplitProtocol,
        trainingExamples: Int?,
        evaluationExamples: Int?
    ) {
        self.task = task
        var splits =
            switch splitProtocol {
            case .fullDev: Splits(train: train, validation: dev, test: nil)
            case .soraSplit42: Self.soraSplit42(task, train: train, dev: dev)
            }
        let isPermuted = Self.permutedTasks.contains(task.name)
        splits.train = Self.first(trainingExamples, of: splits.train, isPermuted: isPermuted)
        splits.validation = Self.first(evaluationExamples, of: splits.validation, isPermuted: isPermuted)
        splits.test = splits.test.map { Self.first(evaluationExamples, of: $0, isPermuted: isPermuted) }
        self.splits = splits
    }

    private static let splitSeed: UInt32 = 42
    private static let permutedTasks: Set = ["movie-reviews", "offline"]
    /// Those of which validation is taken from train.
    private static let largeTasks: Set = ["sst-2"]
    private static let largeValidationCount = 1000

    private static func soraSplit42(_ task: TaskDescription, train: [Example], dev: [Example]) -> Splits {
        guard self.largeTasks.contains(task.name) else {
            let permuted = torchPermutation(count: dev.count, seed: self.splitSeed).map { dev[$0] }
            let half = dev.count / 2
            return Splits(train: train, validation: Array(permuted[..<half]), test: Array(permuted[half...]))
        }
        let permuted = torchPermutation(count: train.count, seed: self.splitSeed).map { train[$0] }
        return Splits(
            train: Array(permuted.dropFirst(self.largeValidationCount)),
            validation: Array(permuted.prefix(self.largeValidationCount)),
            test: dev
        )
    }

    private static func first(_ count: Int?, of examples: [Example], isPermuted: Bool) -> [Example] {
        guard let count, count < examples.count else { return examples }
        if isPermuted { return Array(examples.prefix(count)) }
        return torchPermutation(count: examples.count, seed: self.splitSeed).prefix(count).map { examples[$0] }
    }
}
