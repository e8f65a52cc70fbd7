internal import Encoders
internal import Sweeps
internal import Tasks
internal import Tokenizers

/// A task's examples as token ids: read, split and cut down as the shard says, and tokenised once.
struct EncodedSplits: Sendable {
    let train: [EncodedExample]
    let validation: [EncodedExample]
    /// Empty where the protocol has no test split.
    let test: [EncodedExample]
    /// As ``TaskData/trainingSample``.
    let trainingSample: [EncodedExample]

    /// - Throws: the errors of the task's files and the tokenizer, and ``TrainingFailure`` where they do not fit the
    ///   backbone, or a split is empty.
    init(
        task: TaskDescription,
        dataFolder: String,
        backboneFolder: String,
        configuration: EncoderConfiguration,
        hyperparameters: Hyperparameters,
        cache: TokenCache? = nil
    ) throws {
        let data = try TaskData(
            task: task,
            folder: dataFolder,
            protocol: hyperparameters.splitProtocol,
            trainingExamples: hyperparameters.trainingExamples,
            evaluationExamples: hyperparameters.evaluationExamples
        )
        let splits = data.splits
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
        let source = TokenSource(tokenizer, cache)
        let encoder = ExampleEncoder(
            source: source,
            maximumLength: hyperparameters.maximumLength,
            windowOverlap: hyperparameters.windowOverlap
        )
        self.train = splits.train.flatMap { encoder.encodeForTraining($0) }
        self.validation = splits.validation.map { encoder.encode($0) }
        self.test = (splits.test ?? []).map { encoder.encode($0) }
        self.trainingSample = data.trainingSample.map { encoder.encode($0) }
        source.save()
    }
}
