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
    /// Those of ``Splits/train`` that trained parameters are scored on: 1,000 of them, or `evaluationExamples` where
    /// these are fewer, chosen like `trainingExamples`.
    public let trainingSample: [Example]

    /// Reads the official files and splits them.
    ///
    /// `soraSplit42` (seed 42 whatever the shard's seed is): for tasks with a small training set, validation and test
    /// are the halves of dev, permuted; for QQP, QNLI, SST-2, ReCoRD and SQuAD validation is 1,000 of train, permuted,
    /// train the rest, and test the whole of dev. `soraStated`: the latter for all tasks with at least 10,000 training
    /// examples.
    /// `fullDev` and `official`: validation is the whole of dev, and there is no test.
    ///
    /// MNLI's two dev sets are each halved and limited on its own; MultiRC's examples are permuted by question.
    ///
    /// `trainingExamples` and `evaluationExamples` keep so many of train, and of validation and test each: the first of
    /// the split's rows arranged by ``torchPermutation(count:seed:)`` with seed 42, or the first rows of
    /// `movie-reviews` and `offline`, whose files are permuted already. A split that has no more than that keeps its
    /// order. For MultiRC they count questions.
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
            case .fullDev, .official: Splits(train: train, validation: dev, test: nil)
            case .soraSplit42:
                Self.largeTasks.contains(task.name)
                    ? Self.takingValidation(of: train, test: dev) : Self.halving(dev, of: task, train: train)
            case .soraStated:
                train.count >= Self.statedLargeCount
                    ? Self.takingValidation(of: train, test: dev) : Self.halving(dev, of: task, train: train)
            }
        splits.train = Self.first(trainingExamples, of: splits.train, task)
        func limited(_ examples: [Example]) -> [Example] {
            Self.parts(examples, of: task).flatMap { Self.first(evaluationExamples, of: $0, task) }
        }
        splits.validation = limited(splits.validation)
        splits.test = splits.test.map(limited)
        self.splits = splits
        let count = min(Self.trainingSampleCount, evaluationExamples ?? .max)
        self.trainingSample = Self.first(count, of: splits.train, task)
    }

    private static let splitSeed: UInt32 = 42
    private static let permutedTasks: Set = ["movie-reviews", "offline"]
    /// Those of which SoRA's code takes validation from train, and those beyond it that are as large.
    private static let largeTasks: Set = ["qqp", "qnli", "sst-2", "record", "squad", "squad-2"]
    private static let largeValidationCount = 1000
    private static let statedLargeCount = 10_000
    private static let trainingSampleCount = 1000

    private static func takingValidation(of train: [Example], test: [Example]) -> Splits {
        let permuted = torchPermutation(count: train.count, seed: self.splitSeed).map { train[$0] }
        return Splits(
            train: Array(permuted.dropFirst(self.largeValidationCount)),
            validation: Array(permuted.prefix(self.largeValidationCount)),
            test: test
        )
    }

    private static func halving(_ dev: [Example], of task: TaskDescription, train: [Example]) -> Splits {
        var (validation, test): ([Example], [Example]) = ([], [])
        for part in self.parts(dev, of: task) {
            let permuted = self.permuted(self.units(part, of: task))
            let half = permuted.count / 2
            validation += permuted[..<half].joined()
            test += permuted[half...].joined()
        }
        return Splits(train: train, validation: validation, test: test)
    }

    private static func first(_ count: Int?, of examples: [Example], _ task: TaskDescription) -> [Example] {
        let units = self.units(examples, of: task)
        guard let count, count < units.count else { return examples }
        let isPermuted = self.permutedTasks.contains(task.name)
        return Array((isPermuted ? units : self.permuted(units)).prefix(count).joined())
    }

    private static func permuted(_ units: [ArraySlice<Example>]) -> [ArraySlice<Example>] {
        torchPermutation(count: units.count, seed: self.splitSeed).map { units[$0] }
    }

    /// What stays together: a question's answers, else each example.
    private static func units(_ examples: [Example], of task: TaskDescription) -> [ArraySlice<Example>] {
        task.name == "multirc" ? runs(examples, by: \.group) : examples.indices.map { examples[$0...$0] }
    }

    /// What is dealt with on its own: MNLI's dev sets, else all examples.
    private static func parts(_ examples: [Example], of task: TaskDescription) -> [[Example]] {
        task.name == "mnli" ? runs(examples, by: \.group).map(Array.init) : [examples]
    }
}

/// Neighbours of one key.
func runs<Element>(_ elements: [Element], by key: (Element) -> some Equatable) -> [ArraySlice<Element>] {
    var (runs, start) = ([ArraySlice<Element>](), 0)
    for index in elements.indices where index > start && key(elements[index]) != key(elements[start]) {
        runs.append(elements[start..<index])
        start = index
    }
    if start < elements.count { runs.append(elements[start...]) }
    return runs
}
