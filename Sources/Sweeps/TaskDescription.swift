/// A measure of a task's predictions.
public enum MetricName: String, Codable, CaseIterable, Sendable, CodingKeyRepresentable {
    case accuracy
    /// F1 of the positive class, 1.
    case f1
    /// Matthews' correlation coefficient.
    case matthews
    case pearson
    case spearman
    /// The plain mean of the task's other metrics.
    case combined

    /// Whether a higher value is the better one.
    public var higherIsBetter: Bool { true }
}

/// What a task asks for.
public enum Labels: Hashable, Sendable {
    /// One class of these, by their names in the task's files.
    case classes([String])
    /// A real number (regression).
    case score

    /// The number of outputs of the task's head.
    public var outputs: Int {
        switch self {
        case .classes(let names): names.count
        case .score: 1
        }
    }
}

/// How a task's published files become training, validation and test examples
/// (section 5 of the methods' specification; both use the official files only).
public enum SplitProtocol: String, Codable, CaseIterable, Sendable {
    /// SoRA's released code: dev halved (small tasks) or 1,000 of train taken (large), by `randperm` of seed 42.
    case soraSplit42
    /// AdaLoRA's practice: the whole dev set is the validation set, and there is no test set.
    case fullDev

    /// The split whose score a table prints.
    public var reported: String { self == .fullDev ? "validation" : "test" }

    /// What a shard scores when it does not say: the last step's parameters, or the best ones on validation.
    public var defaultCheckpoint: String { self == .fullDev ? "last" : "best" }
}

/// What both towers know of a task: its names, labels and measures. How its files look is in `Tasks`.
public struct TaskDescription: Hashable, Sendable {
    /// The name in grids, results and on the command line, such as `rte`.
    public let name: String
    /// The name of its folder and of its column, such as `RTE`.
    public let title: String
    public let labels: Labels
    /// The measures that are computed, without ``MetricName/combined``.
    public let metrics: [MetricName]
    /// The measure that a table prints.
    public let primary: MetricName
    /// The measure that picks the best checkpoint.
    public let selection: MetricName

    private init(
        _ name: String,
        title: String,
        _ labels: Labels,
        _ metrics: [MetricName],
        primary: MetricName? = nil,
        selection: MetricName? = nil
    ) {
        self.name = name
        self.title = title
        self.labels = labels
        self.metrics = metrics
        self.primary = primary ?? metrics[0]
        self.selection = selection ?? metrics[0]
    }

    /// Every task that a grid may name. Selection follows SoRA's released code (F1 for MRPC, Pearson for STS-B).
    public static let all: [TaskDescription] = [
        TaskDescription("cola", title: "CoLA", .classes(["0", "1"]), [.matthews, .accuracy]),
        TaskDescription("sst-2", title: "SST-2", .classes(["0", "1"]), [.accuracy]),
        TaskDescription("mrpc", title: "MRPC", .classes(["0", "1"]), [.accuracy, .f1], selection: .f1),
        TaskDescription("sts-b", title: "STS-B", .score, [.pearson, .spearman]),
        TaskDescription("rte", title: "RTE", .classes(["entailment", "not_entailment"]), [.accuracy]),
        TaskDescription("movie-reviews", title: "movie-reviews", .classes(["0", "1"]), [.accuracy]),
        TaskDescription("offline", title: "offline", .classes(["0", "1"]), [.accuracy]),
    ]

    /// The task of that name or title, in any case.
    ///
    /// - Throws: ``UnknownName`` with the nearest name.
    public static func named(_ name: String) throws(UnknownName) -> TaskDescription {
        let wanted = name.lowercased()
        if let task = Self.all.first(where: { $0.name == wanted || $0.title.lowercased() == wanted }) { return task }
        throw UnknownName(kind: "task", name: name, known: Self.all.map(\.name))
    }
}
