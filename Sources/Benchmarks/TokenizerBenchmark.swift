import ArgumentParser
import Foundation
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

    @Option(help: "A Python with tokenizers, and transformers for spm.model, which is then measured too.")
    var python: String?

    func run() throws {
        let files = try TaskFiles(task: try TaskDescription.named(self.task), folder: self.data)
        let texts = try files.texts(.train)
        let tokenizer = try loadTokenizer(folder: self.backbone)
        var tokens = 0
        let seconds = secondsPerCall {
            tokens = texts.reduce(0) { $0 + tokenizer.encode($1.first, $1.second, maximumLength: 128).ids.count }
        }
        self.report("quintet", texts: texts.count, tokens: tokens, seconds: seconds)
        guard let python else { return }
        let file = FileManager.default.temporaryDirectory.appending(path: "texts-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        try JSONEncoder().encode(texts.map { [$0.first, $0.second] }).write(to: file)
        let numbers = try self.reference(python, file.path)
        guard numbers.count == 2 else { return print("tokenizers: failed, its message is above") }
        self.report("tokenizers", texts: texts.count, tokens: Int(numbers[0]), seconds: numbers[1])
    }

    private func report(_ name: String, texts: Int, tokens: Int, seconds: Double) {
        print("\(name): \(texts) texts of \(self.task), \(tokens) tokens")
        print(aligned(Double(texts) / seconds, digits: 0, width: 12) + " texts/s")
        print(aligned(Double(tokens) / seconds, digits: 0, width: 12) + " tokens/s")
    }

    /// The number of tokens and the seconds for all texts.
    private func reference(_ python: String, _ texts: String) throws -> [Double] {
        let name = "reference/tokenize_texts.py"
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: name).path
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python, script, "--backbone", self.backbone, "--texts", texts]
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    }
}
