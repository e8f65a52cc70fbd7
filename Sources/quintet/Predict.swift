import ArgumentParser
import CoordinatorShell
import Files
import Foundation
import Sweeps
import Tasks
import Tensors
import Training

/// `quintet predict`
struct Predict: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run finished shards' scored parameters on their tasks' test files, for the benchmarks' servers."
    )

    @Argument(help: "The shards, as for show.")
    var shards: [String]

    @Option(help: "The folder for the predictions; of several shards one folder each in it.")
    var into: String

    @Option(
        help: ArgumentHelp(
            "Instead write a JSON line with the tokens and logits of each row of a file: train, dev or test.",
            valueName: "split"
        )
    )
    var logits: String?

    @Option(help: "Threads; by default as many as there are cores.")
    var threads: Int?

    @OptionGroup var state: StateOptions

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); give 1 to 1024.")
        }
    }

    func run() async throws {
        guard BLAS.useOneThread() else {
            throw ValidationError("OpenBLAS does not keep to one thread; set OPENBLAS_NUM_THREADS=1.")
        }
        let store = try await self.state.readableStore()
        let named = try store.shards(named: self.shards)
        for (sweep, shard) in named {
            let folder = named.count == 1 ? self.into : "\(self.into)/\(shard.planned.name)"
            let finished = try FinishedShard(shard, of: sweep, in: store, blobs: self.state.folder.blobs)
            for path in try self.predict(finished, into: folder) { print(path) }
        }
    }

    /// - Returns: the files that were written.
    private func predict(_ finished: FinishedShard, into folder: String) throws -> [String] {
        let files = try TaskFiles(task: try TaskDescription.named(finished.shard.task), folder: finished.dataFolder)
        let threads = self.threads ?? MachineResources.current.cores
        if let logits {
            guard let split = OfficialSplit(rawValue: logits) else {
                throw UnknownName(kind: "split", name: logits, known: OfficialSplit.allCases.map(\.rawValue))
            }
            let rows = split == .test ? try files.unlabelled() : try files.examples(split)
            let lines = try finished.model().logits(rows, threads: threads)
            return try write([("\(split.rawValue)-logits.jsonl", lines)], into: folder)
        }
        let labels = try finished.model().predict(try files.unlabelled(), threads: threads)
        return try write(try files.submission(labels).map { ($0, Array($1.utf8)) }, into: folder)
    }
}
