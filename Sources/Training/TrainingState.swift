internal import Digests
internal import Encoders
internal import Foundation
internal import Sweeps
internal import Tensors

/// Where a run stands, beside its parameters and moments: everything that a resumed run must know.
struct TrainingState: Codable {
    /// The shard's key: a checkpoint goes on with its own shard only.
    var key: ShardKey
    /// Steps done.
    var step = 0
    /// The current epoch's training loss, summed over its examples so far.
    var lossSum = 0.0
    var lossExamples = 0
    var evaluations: [Evaluation] = []
    /// The step of the best evaluation, and what it is chosen by (the metric, or minus the loss); its parameters are in
    /// the checkpoint too.
    var bestStep: Int?
    var bestMetric: Double?
    /// Over all attempts.
    var seconds = 0.0
    var samples = 0
    /// Of the stages that are over; absent in checkpoints from before there were any.
    var stages: [StageResult]?
}

/// A checkpoint's safetensors file: parameters, both moments, and the best parameters where the shard keeps them.
enum CheckpointFile {
    private static let stateKey = "quintet.state"
    private static let methodPrefix = "method."
    private enum Part: String, CaseIterable { case value, moment1, moment2, best }

    static func write(
        _ state: TrainingState,
        store: ParameterStore,
        optimizer: borrowing AdamW,
        best: borrowing Matrix,
        method: [(name: String, values: MutableMatrixView)]
    ) throws -> [UInt8] {
        let encoded = String(decoding: try JSON.encoder.encode(state), as: UTF8.self)
        var writer = SafetensorsWriter(metadata: [Self.stateKey: encoded])
        func add(_ part: Part, _ matrix: borrowing Matrix) {
            for (declaration, range) in store.trainable {
                writer.add(
                    "\(part.rawValue).\(declaration.name)",
                    shape: declaration.shape,
                    UnsafeBufferPointer(rebasing: matrix.view[0][range])
                )
            }
        }
        add(.value, store.values)
        add(.moment1, optimizer.firstMoments)
        add(.moment2, optimizer.secondMoments)
        if state.bestStep != nil { add(.best, best) }
        for (name, values) in method {
            writer.add(
                Self.methodPrefix + name,
                shape: [values.rows, values.columns],
                UnsafeBufferPointer(start: values.base, count: values.rows * values.columns)
            )
        }
        return try writer.bytes()
    }

    /// Puts everything back.
    ///
    /// - Throws: ``CheckpointError`` for a checkpoint of another shard.
    static func read(
        _ bytes: [UInt8],
        path: String,
        key: ShardKey,
        into store: ParameterStore,
        optimizer: borrowing AdamW,
        best: borrowing Matrix,
        method: [(name: String, values: MutableMatrixView)]
    ) throws -> TrainingState {
        let file = try Safetensors(path: path, bytes: bytes)
        let state = try JSON.decoder.decode(TrainingState.self, from: Data((file.metadata[Self.stateKey] ?? "").utf8))
        guard state.key == key else {
            throw CheckpointError("\(path) is a checkpoint of shard \(state.key.short), not of \(key.short)")
        }
        func take(_ part: Part, _ matrix: borrowing Matrix) throws {
            for (declaration, range) in store.trainable {
                let values = try file.floats("\(part.rawValue).\(declaration.name)")
                guard values.count == range.count else {
                    throw CheckpointError("\(path): \(declaration.name) has \(values.count) values, not \(range.count)")
                }
                _ = UnsafeMutableBufferPointer(rebasing: matrix.mutableView[0][range]).update(from: values)
            }
        }
        try take(.value, store.values)
        try take(.moment1, optimizer.firstMoments)
        try take(.moment2, optimizer.secondMoments)
        if state.bestStep != nil { try take(.best, best) }
        for (name, target) in method {
            let values = try file.floats(Self.methodPrefix + name)
            guard values.count == target.rows * target.columns else {
                throw CheckpointError(
                    "\(path): \(name) has \(values.count) values, not \(target.rows * target.columns)"
                )
            }
            _ = UnsafeMutableBufferPointer(start: target.base, count: values.count).update(from: values)
        }
        return state
    }

    /// The scored parameters alone: the same for the same training, whenever and wherever it ran.
    static func writeParameters(_ store: ParameterStore, key: ShardKey, step: Int) throws -> [UInt8] {
        var writer = SafetensorsWriter(metadata: ["quintet.shard": key.description, "quintet.step": String(step)])
        for (declaration, range) in store.trainable {
            writer.add(
                declaration.name,
                shape: declaration.shape,
                UnsafeBufferPointer(rebasing: store.values.view[0][range])
            )
        }
        return try writer.bytes()
    }

    /// The most bytes that a checkpoint of these parameters can have.
    static func limitBytes(_ store: ParameterStore, method: [(name: String, values: MutableMatrixView)]) -> Int {
        let state = method.reduce(0) { $0 + $1.values.rows * $1.values.columns }
        let count = Part.allCases.count * store.values.columns + state
        return count * MemoryLayout<Float>.stride + Safetensors.headerLimitBytes
    }
}

/// How this module writes and reads JSON.
enum JSON {
    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    static var decoder: JSONDecoder { JSONDecoder() }
}
