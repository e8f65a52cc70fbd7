internal import Adapters
public import Encoders
internal import Layers
public import Sweeps
public import Tasks
internal import Tensors
internal import Tokenizers

/// A finished shard's network with its scored parameters.
public struct TrainedModel {
    let task: TaskDescription
    let method: any FineTuningMethod
    private(set) var model: Model
    let backboneFolder: String
    private let encoder: ExampleEncoder

    /// - Parameters:
    ///   - parameters: as the trainer left them.
    /// - Throws: the errors of the backbone's files and the tokenizer; ``BackboneError`` for another shard's parameters.
    public init(_ shard: Shard, backboneFolder: String, parameters: Safetensors) throws {
        let hyperparameters = Hyperparameters(shard.settings)
        self.task = try TaskDescription.named(shard.task)
        self.method = fineTuningMethod(shard.method, settings: shard.settings)
        self.backboneFolder = backboneFolder
        self.model = try Model(
            folder: backboneFolder,
            method: self.method,
            head: self.task.labels.head,
            hyperparameters: hyperparameters,
            seed: UInt64(shard.seed)
        )
        try self.model.store.load(parameters)
        self.model.rebuild()
        self.encoder = ExampleEncoder(
            source: TokenSource(try loadTokenizer(folder: backboneFolder), nil),
            maximumLength: hyperparameters.maximumLength,
            windowOverlap: hyperparameters.windowOverlap
        )
    }

    /// What the model says of each row.
    public func predict(_ rows: [Example], threads: Int) -> [Label] {
        let examples = rows.map { self.encoder.encode($0) }
        guard let (_, labels) = self.evaluator(threads).predict(examples, isStopping: { false }) else {
            preconditionFailure("nobody stops it")
        }
        return labels
    }

    /// The head's outputs for each row, as ``LoggedLogits``.
    public func logits(_ rows: [Example], threads: Int) throws -> [UInt8] {
        try self.evaluator(threads).logits(rows.map { self.encoder.encode($0) })
    }

    private func evaluator(_ threads: Int) -> Evaluator {
        let pass = Pass(team: Team(threads: threads), arena: Arena())
        return Evaluator(task: self.task, network: self.model.network, pass: pass)
    }
}
