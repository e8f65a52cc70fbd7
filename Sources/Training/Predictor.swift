internal import Adapters
public import Encoders
internal import Layers
public import Sweeps
public import Tasks
internal import Tensors
internal import Tokenizers

/// A finished shard's scored parameters, to be run on rows that have no labels.
public struct Predictor {
    private let task: TaskDescription
    private let model: Model
    private let encoder: ExampleEncoder

    /// - Parameters:
    ///   - parameters: as the trainer left them.
    /// - Throws: the errors of the backbone's files and the tokenizer; ``BackboneError`` for another shard's parameters.
    public init(_ shard: Shard, backboneFolder: String, parameters: Safetensors) throws {
        let hyperparameters = Hyperparameters(shard.settings)
        self.task = try TaskDescription.named(shard.task)
        self.model = try Model(
            folder: backboneFolder,
            method: fineTuningMethod(shard.method, settings: shard.settings),
            head: self.task.labels.head,
            dropout: hyperparameters.dropout,
            seed: UInt64(shard.seed)
        )
        try self.model.store.load(parameters)
        self.encoder = ExampleEncoder(
            source: TokenSource(try loadTokenizer(folder: backboneFolder), nil),
            maximumLength: hyperparameters.maximumLength,
            windowOverlap: hyperparameters.windowOverlap
        )
    }

    /// What the model says of each row.
    public func predict(_ rows: [Example], threads: Int) -> [Label] {
        let pass = Pass(team: Team(threads: threads), arena: Arena())
        let evaluator = Evaluator(task: self.task, network: self.model.network, pass: pass)
        guard let (_, labels) = evaluator.predict(rows.map { self.encoder.encode($0) }, isStopping: { false }) else {
            preconditionFailure("nobody stops it")
        }
        return labels
    }
}
