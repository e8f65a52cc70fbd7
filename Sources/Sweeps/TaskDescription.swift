/// A measure of a task's predictions.
public enum MetricName: String, Codable, CaseIterable, Sendable, CodingKeyRepresentable {
    case accuracy
    /// Accuracy on the first and on the second of the task's dev sets (MNLI).
    case matched
    case mismatched
    /// F1 of the positive class, 1.
    case f1
    /// The plain mean of the F1 of each class that was predicted or is a label.
    case macroF1
    /// The share of questions with all answers told right (MultiRC), or that a gold answer answers (ReCoRD, SQuAD).
    case exactMatch
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
    /// One of the example's own candidates.
    case candidate
    /// A part of the example's context, or none.
    case span
}

/// How a task's published files become training, validation and test examples
/// (section 5 of the methods' specification; both use the official files only).
public enum SplitProtocol: String, Codable, CaseIterable, Sendable {
    /// SoRA's released code: dev halved (small tasks) or 1,000 of train taken (large), by `randperm` of seed 42.
    case soraSplit42
    /// SoRA's authors' words: dev halved with fewer than 10,000 training examples, else 1,000 of train taken.
    case soraStated
    /// AdaLoRA's practice: the whole dev set is the validation set, and there is no test set.
    case fullDev
    /// The benchmarks' own: as `fullDev`, with the best parameters on dev, which `quintet predict` runs on the test file.
    case official

    /// Whether a part of the labelled files is kept for testing.
    public var hasTest: Bool { self == .soraSplit42 || self == .soraStated }

    /// The split whose score a table prints.
    public var reported: String { self.hasTest ? "test" : "validation" }

    /// What a shard scores when it does not say: the last step's parameters, or the best ones on validation.
    public var defaultCheckpoint: String { self == .fullDev ? "last" : "best" }
}

/// What both towers know of a task: its names, labels and measures. How its files look is in `Tasks`.
public struct TaskDescription: Hashable, Sendable {
    /// The name in grids, results and on the command line, such as `rte`.
    public let name: String
    /// The name of its column, such as `RTE`.
    public let title: String
    /// The name of its folder where official archives unpack.
    public let folder: String
    public let labels: Labels
    /// The measures that are computed, without ``MetricName/combined``.
    public let metrics: [MetricName]
    /// The measure that a table prints; ``MetricName/combined`` where an average over tasks counts the mean of two.
    public let primary: MetricName
    /// The measure that picks the best checkpoint.
    public let selection: MetricName

    private init(
        _ name: String,
        title: String,
        folder: String? = nil,
        _ labels: Labels,
        _ metrics: [MetricName],
        primary: MetricName? = nil,
        selection: MetricName? = nil
    ) {
        self.name = name
        self.title = title
        self.folder = folder ?? title
        self.labels = labels
        self.metrics = metrics
        self.primary = primary ?? metrics[0]
        self.selection = selection ?? metrics[0]
    }

    /// Every task that a grid may name. Classes stand in the order of Hugging Face's `glue` and `super_glue`.
    ///
    /// Selection follows SoRA's released code (F1 for MRPC, Pearson for STS-B). `mnli` is scored on both dev sets by
    /// one model; `mnli-m` and `mnli-mm` on one each. `squad` is SQuAD 1.1.
    public static let all: [TaskDescription] = [
        TaskDescription("cola", title: "CoLA", .classes(["0", "1"]), [.matthews, .accuracy]),
        TaskDescription("sst-2", title: "SST-2", .classes(["0", "1"]), [.accuracy]),
        TaskDescription("mrpc", title: "MRPC", .classes(["0", "1"]), [.accuracy, .f1], selection: .f1),
        TaskDescription("qqp", title: "QQP", .classes(["0", "1"]), [.accuracy, .f1], primary: .combined),
        TaskDescription("sts-b", title: "STS-B", .score, [.pearson, .spearman]),
        TaskDescription("mnli", title: "MNLI", Self.inference, [.matched, .mismatched], primary: .combined),
        TaskDescription("mnli-m", title: "MNLI-m", folder: "MNLI", Self.inference, [.accuracy]),
        TaskDescription("mnli-mm", title: "MNLI-mm", folder: "MNLI", Self.inference, [.accuracy]),
        TaskDescription("qnli", title: "QNLI", Self.entailment, [.accuracy]),
        TaskDescription("rte", title: "RTE", Self.entailment, [.accuracy]),
        TaskDescription("wnli", title: "WNLI", .classes(["0", "1"]), [.accuracy]),
        TaskDescription("boolq", title: "BoolQ", Self.truth, [.accuracy]),
        TaskDescription(
            "cb",
            title: "CB",
            .classes(["entailment", "contradiction", "neutral"]),
            [.accuracy, .macroF1],
            primary: .combined
        ),
        TaskDescription(
            "multirc",
            title: "MultiRC",
            .classes(["0", "1"]),
            [.f1, .exactMatch],
            primary: .combined
        ),
        TaskDescription("copa", title: "COPA", .candidate, [.accuracy]),
        TaskDescription("record", title: "ReCoRD", .candidate, [.f1, .exactMatch], primary: .combined),
        TaskDescription("squad", title: "SQuAD", folder: "squad", .span, [.f1, .exactMatch]),
        TaskDescription("squad-2", title: "SQuAD 2.0", folder: "squad", .span, [.f1, .exactMatch]),
        TaskDescription("wic", title: "WiC", Self.truth, [.accuracy]),
        TaskDescription("wsc", title: "WSC", Self.truth, [.accuracy]),
        TaskDescription("movie-reviews", title: "movie-reviews", .classes(["0", "1"]), [.accuracy]),
        TaskDescription("offline", title: "offline", .classes(["0", "1"]), [.accuracy]),
    ]

    private static let inference = Labels.classes(["entailment", "neutral", "contradiction"])
    private static let entailment = Labels.classes(["entailment", "not_entailment"])
    private static let truth = Labels.classes(["false", "true"])

    /// The task of that name or title, in any case.
    ///
    /// - Throws: ``UnknownName`` with the nearest name.
    public static func named(_ name: String) throws(UnknownName) -> TaskDescription {
        let wanted = name.lowercased()
        if let task = Self.all.first(where: { $0.name == wanted || $0.title.lowercased() == wanted }) { return task }
        throw UnknownName(kind: "task", name: name, known: Self.all.map(\.name))
    }
}
