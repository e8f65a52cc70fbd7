public import Encoders
public import Sweeps
internal import Tasks
internal import Tokenizers

/// A task's examples as token ids: read, split and cut down as the shard says, and tokenised once.
public struct EncodedSplits: Sendable {
    public let train: [EncodedExample]
    public let validation: [EncodedExample]
    /// Empty where the protocol has no test split.
    public let test: [EncodedExample]

    /// - Throws: the errors of the task's files and the tokenizer, and ``TrainingFailure`` where they do not fit the
    ///   backbone, or a split is empty.
    public init(
        task: TaskDescription,
        dataFolder: String,
        backboneFolder: String,
        configuration: EncoderConfiguration,
        hyperparameters: Hyperparameters
    ) throws {
        let splits = try TaskData(
            task: task,
            folder: dataFolder,
            protocol: hyperparameters.splitProtocol,
            trainingExamples: hyperparameters.trainingExamples,
            evaluationExamples: hyperparameters.evaluationExamples
        ).splits
        guard !splits.train.isEmpty, !splits.validation.isEmpty, splits.test?.isEmpty != true else {
            throw TrainingFailure(
                kind: .badInput,
                "\(dataFolder): too few rows for the protocol \(hyperparameters.splitProtocol.rawValue); use another"
            )
        }
        guard hyperparameters.maximumLength <= configuration.positions else {
            throw TrainingFailure(
                kind: .badInput,
                "maximumLength is \(hyperparameters.maximumLength); this backbone has \(configuration.positions) positions"
            )
        }
        let tokenizer = try loadTokenizer(folder: backboneFolder)
        guard tokenizer.vocabularySize <= configuration.vocabulary else {
            throw TrainingFailure(
                kind: .badInput,
                "\(backboneFolder): the tokenizer has \(tokenizer.vocabularySize) tokens, config.json \(configuration.vocabulary)"
            )
        }
        let encoder = ExampleEncoder(
            tokenizer: tokenizer,
            maximumLength: hyperparameters.maximumLength,
            windowOverlap: hyperparameters.windowOverlap
        )
        self.train = splits.train.flatMap { encoder.encodeForTraining($0) }
        self.validation = splits.validation.map { encoder.encode($0) }
        self.test = (splits.test ?? []).map { encoder.encode($0) }
    }
}
