import ArgumentParser
import Sweeps
import Tasks
import Tokenizers

/// Tokenizing a task's training texts on one thread.
struct TokenizerBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer",
        abstract: "Texts and tokens per second of a backbone's tokenizer."
    )

    @Option(help: "The folder of the backbone's files.")
    var backbone: String

    @Option(help: "The folder that holds the task's files.")
    var data: String

    @Option(help: "The task.")
    var task = "rte"

    func run() throws {
        let files = try TaskFiles(task: try TaskDescription.named(self.task), folder: self.data)
        let texts = try files.texts(.train)
        let tokenizer = try loadTokenizer(folder: self.backbone)
        var tokens = 0
        let seconds = secondsPerCall {
            tokens = texts.reduce(0) { $0 + tokenizer.encode($1.first, $1.second, maximumLength: 128).ids.count }
        }
        print("\(texts.count) texts of \(self.task), \(tokens) tokens")
        print(aligned(Double(texts.count) / seconds, digits: 0, width: 12) + " texts/s")
        print(aligned(Double(tokens) / seconds, digits: 0, width: 12) + " tokens/s")
    }
}
