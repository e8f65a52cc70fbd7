import ArgumentParser
import Coordination
import CoordinatorShell
import Encoders
import Files
import Foundation
import Sweeps
import Tasks
import Tensors
import Training
import Wire

/// `quintet predict`
struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run finished shards' scored parameters on their tasks' test files, for the benchmarks' servers."
    )

    @Argument(help: "The shards, as for show.")
    var shards: [String]

    @Option(help: "The folder for the predictions; of several shards one folder each in it.")
    var into: String

    @Option(help: "Threads; by default as many as there are cores.")
    var threads: Int?

    @OptionGroup var state: StateOptions

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); give 1 to 1024.")
        }
    }

    func run() throws {
        guard BLAS.useOneThread() else {
            throw ValidationError("OpenBLAS does not keep to one thread; set OPENBLAS_NUM_THREADS=1.")
        }
        let store = try Store(reading: self.state.folder.database)
        let named = try store.shards(named: self.shards)
        for (sweep, shard) in named {
            let folder = named.count == 1 ? self.into : "\(self.into)/\(shard.planned.name)"
            for path in try self.predict(shard, of: sweep, in: store, into: folder) { print(path) }
        }
    }

    /// - Returns: the files that were written.
    private func predict(
        _ shard: SweepShard,
        of sweep: StoredSweep,
        in store: Store,
        into folder: String
    ) throws -> [String] {
        guard shard.result != nil, let stored = try store.shard(shard.key) else {
            throw SessionError("\(shard.planned.name) has no result: \(Status.state(of: shard))")
        }
        let folders = try store.folders(of: sweep.name)
        guard let backbone = folders.first(where: { $0.manifest.digest == stored.backbone }),
            let data = folders.first(where: { $0.manifest.digest == stored.data })
        else {
            throw SessionError("\(shard.planned.name): its backbone or data is not known here; launch its grid again")
        }
        try SweepFolders().check([backbone, data])
        let files = try TaskFiles(task: try TaskDescription.named(stored.task), folder: data.path)
        let rows = try files.unlabelled()
        let parameters = try self.parameters(of: shard)
        let labels = try Predictor(stored, backboneFolder: backbone.path, parameters: parameters)
            .predict(rows, threads: self.threads ?? ProcessInfo.processInfo.activeProcessorCount)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return try files.submission(labels).sorted { $0.key < $1.key }.map { name, text in
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"), options: .atomic)
            return "\(folder)/\(name)"
        }
    }

    /// The scored parameters, from the checkpoint that came with the result.
    private func parameters(of shard: SweepShard) throws -> Safetensors {
        guard let best = shard.checkpoints?.best,
            let bytes = try DurableFile.read(
                "\(self.state.folder.blobs)/\(best.digest)",
                bytesLimit: Safetensors.fileLimitBytes
            )
        else {
            throw SessionError(
                "the parameters of \(shard.planned.name) are not here; quintet verify says what is missing"
            )
        }
        let raw = try CheckpointContainer.unpack(bytes, limitBytes: Safetensors.fileLimitBytes)
        return try Safetensors(path: "the checkpoint of \(shard.planned.name)", bytes: raw)
    }
}
