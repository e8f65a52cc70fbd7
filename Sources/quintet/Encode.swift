import ArgumentParser
import Encoders
import Files
import Foundation
import Layers
import Sweeps
import Tasks
import Tensors
import Tokenizers
import Training

/// `quintet encode`: token ids and hidden states of a split, for comparing with other implementations.
struct Encode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write token ids and hidden states of a task's examples, packed, as safetensors."
    )

    @Option(help: "The folder of the backbone's files.")
    var backbone: String

    @Option(help: "The folder of the task's files, or the one that holds it.")
    var data: String

    @Option(help: "The task, such as rte.")
    var task: String

    @Option(help: "Which of the task's files: train, dev or test.")
    var split = "dev"

    @Option(help: "Only the first so many examples.")
    var limit: Int?

    @Option(help: "Threads; by default as many as there are cores.")
    var threads: Int?

    @Option(name: .customLong("set"), help: ArgumentHelp("maximumLength=N; 128 by default.", valueName: "key=value"))
    var settings: [String] = []

    @Flag(
        help: """
            Also logits [sequences, outputs], of squad [tokens, 2], by the head in the backbone's own files; \
            a choice has a sequence for each candidate.
            """
    )
    var logits = false

    @Option(help: "The file: input_ids [tokens], offsets [sequences + 1], hidden [tokens, hidden] of the last layer.")
    var output: String

    /// Tokens of one pass.
    private static let passTokens = 2048

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is \(limit); give at least 1.") }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); give 1 to 1024.")
        }
    }

    func run() throws {
        let maximumLength = try self.maximumLength()
        guard let split = OfficialSplit(rawValue: self.split) else {
            throw UnknownName(kind: "split", name: self.split, known: OfficialSplit.allCases.map(\.rawValue))
        }
        let task = try TaskDescription.named(self.task)
        let texts = try TaskFiles(task: task, folder: self.data).texts(split).prefix(self.limit ?? .max)
        let tokenizer = try loadTokenizer(folder: self.backbone)
        let configuration = try EncoderConfiguration(folder: self.backbone)
        guard maximumLength <= configuration.positions else {
            throw ValidationError(
                "maximumLength is \(maximumLength); this backbone has \(configuration.positions) positions."
            )
        }
        guard BLAS.useOneThread() else {
            throw ValidationError("OpenBLAS does not keep to one thread; set OPENBLAS_NUM_THREADS=1.")
        }
        let weights = try BackboneWeights(folder: self.backbone)
        let head = self.logits ? try weights.head(like: task.labels.head, configuration) : nil
        var declarations = configuration.declarations { _ in false }
        if let head { declarations += configuration.headDeclarations(head, isTrainable: false) { _, _ in true } }
        let skipped = try weights.check(against: declarations)
        if !skipped.isEmpty {
            let line = "not used of the backbone's file: \(skipped.joined(separator: ", "))\n"
            FileHandle.standardError.write(Data(line.utf8))
        }
        let store = try ParameterStore(declarations, backbone: weights, seed: 0)
        let encodings = texts.map { tokenizer.encode($0.first, $0.second, maximumLength: maximumLength) }
        let encoder = BERTEncoder(configuration, store: store)
        let network = head.map { HeadedEncoder(configuration, head: $0, store: store) }
        try Data(try self.encode(encodings, encoder, network)).write(to: URL(filePath: self.output), options: .atomic)
    }

    private func maximumLength() throws -> Int {
        var value = 128
        for text in self.settings {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[0] == "maximumLength", let length = Int(parts[1]), length >= 3 else {
                throw ValidationError("--set \(text): encode knows maximumLength=N with N of at least 3.")
            }
            value = length
        }
        return value
    }

    private func encode(
        _ encodings: [Encoding],
        _ encoder: BERTEncoder,
        _ network: HeadedEncoder?
    ) throws -> [UInt8] {
        let team = Team(threads: self.threads ?? MachineResources.current.cores)
        let arena = Arena()
        let pass = Pass(team: team, arena: arena)
        var (ids, offsets, batch) = ([Int32](), [Int32(0)], PackedBatch())
        var (hidden, logits) = ([Float](), [Float]())
        func flush() {
            guard batch.tokens > 0 else { return }
            arena.reset()
            hidden += encoder.forward(batch, output: .everyToken, pass: pass).hidden.values
            arena.reset()
            if let network { logits += network.forward(batch, pass: pass).logits.values }
            batch = PackedBatch()
        }
        for encoding in encodings {
            if batch.tokens + encoding.ids.count > Self.passTokens { flush() }
            batch.append(tokenIDs: encoding.ids, typeIDs: encoding.typeIDs, place: batch.sequences)
            ids += encoding.ids
            offsets.append(Int32(ids.count))
        }
        flush()
        var writer = SafetensorsWriter()
        func add(_ name: String, _ values: [Float], columns: Int) {
            values.withUnsafeBufferPointer { writer.add(name, shape: [values.count / columns, columns], $0) }
        }
        ids.withUnsafeBufferPointer { writer.add("input_ids", shape: [ids.count], $0) }
        offsets.withUnsafeBufferPointer { writer.add("offsets", shape: [offsets.count], $0) }
        add("hidden", hidden, columns: encoder.configuration.hidden)
        if let network { add("logits", logits, columns: network.head.outputs) }
        return try writer.bytes()
    }
}
