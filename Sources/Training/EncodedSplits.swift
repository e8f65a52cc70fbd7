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
    ///   backbone.
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
        func encode(_ examples: [Example]) -> [EncodedExample] {
            examples.map { example in
                let encoding = tokenizer.encode(
                    example.first,
                    example.second,
                    maximumLength: hyperparameters.maximumLength
                )
                return EncodedExample(encoding: encoding, label: example.label, group: example.group)
            }
        }
        self.train = encode(splits.train)
        self.validation = encode(splits.validation)
        self.test = encode(splits.test ?? [])
    }
}
