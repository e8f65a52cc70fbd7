import ArgumentParser
import CoordinatorShell
import Sweeps
import Training

/// `quintet export`
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a finished shard's scored parameters as Hugging Face's PEFT or transformers load them."
    )

    @Argument(help: "The shard, as for show.")
    var shard: String

    @Option(help: "The folder for the files.")
    var into: String

    @Flag(help: "A whole model, with the adapters in its weights, also where PEFT knows the method.")
    var merge = false

    @OptionGroup var state: StateOptions

    func run() async throws {
        let store = try await self.state.readableStore()
        for (sweep, shard) in try store.shards(named: [self.shard]) {
            let finished = try FinishedShard(shard, of: sweep, in: store, blobs: self.state.folder.blobs)
            let files = try finished.model().exported(
                backbone: try sweep.grid().backbone,
                isMerged: self.merge,
                steps: finished.steps
            )
            for path in try write(files, into: self.into) { print(path) }
        }
    }
}
