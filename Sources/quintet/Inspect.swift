public import ArgumentParser
import Fetching
import Foundation
import Reports
public import Sweeps
import Tasks
import Tokenizers

/// `quintet inspect`: what a task is made of, as a shard would see it, or a backbone.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a task's rows, labels, lengths and examples in tokens, or a backbone's layers and parameters."
    )

    @Argument(help: "A task, such as rte, or a backbone: its name in the cache, or its folder.")
    var subject: String

    @Option(help: "For a task: the folder of its files, or the one that holds it; default: the cache.")
    var data: String?

    @Option(help: "For a task: the backbone whose tokens count, by its name in the cache or its folder.")
    var backbone: String?

    @Option(name: .customLong("protocol"), help: "How the task's files are split.")
    var splitProtocol = SplitProtocol.fullDev

    @Option(help: "The length in tokens at which examples are cut.")
    var maximumLength = 128

    func validate() throws {
        guard self.maximumLength >= 3 else {
            throw ValidationError("--maximum-length is \(self.maximumLength); give at least 3.")
        }
    }

    func run() throws {
        let folders = SweepFolders()
        if let task = try? TaskDescription.named(self.subject) {
            guard let backbone else { throw ValidationError("--backbone is missing: whose tokens shall be counted?") }
            let data = try self.data ?? folders.existingData(task)
            return try self.show(task, data: data, backbone: try folders.existingBackbone(backbone))
        }
        if self.data != nil || self.backbone != nil {
            throw UnknownName(kind: "task", name: self.subject, known: TaskDescription.all.map(\.name))
        }
        let summary = try BackboneSummary(folder: try folders.existingBackbone(self.subject, or: "task"))
        print(summary.lines.joined(separator: "\n"))
    }

    private func show(_ task: TaskDescription, data: String, backbone: String) throws {
        let data = try TaskData(task: task, folder: data, protocol: self.splitProtocol)
        let tokenizer = try loadTokenizer(folder: backbone)
        print("\(task.title) (\(self.splitProtocol.rawValue)), printed: \(task.primary.rawValue)")
        let splits = [("train", data.splits.train), ("validation", data.splits.validation)]
        for (name, examples) in splits + (data.splits.test.map { [("test", $0)] } ?? []) {
            // Of candidates, the longest.
            let lengths = examples.map { $0.reading.texts.map { self.tokens($0, tokenizer).count }.max() ?? 0 }
            print(
                SplitSummary(name: name, examples: examples, lengths: lengths, task: task)
                    .lines(maximumLength: self.maximumLength).joined(separator: "\n")
            )
        }
        print("")
        for example in data.splits.train.prefix(3) {
            for text in example.reading.texts {
                let encoding = tokenizer.encode(text.first, text.second, maximumLength: self.maximumLength)
                let tokens = encoding.ids.map { tokenizer.text(of: $0) ?? "\($0)" }.joined(separator: " ")
                print("\(example.label.text(of: task)): \(oneLine(tokens, limit: .max))")
            }
        }
    }

    /// All of them: no text of a task is longer.
    private func tokens(_ text: TextPair, _ tokenizer: any Tokenizer) -> [Int32] {
        tokenizer.encode(text.first, text.second, maximumLength: 1 << 24).ids
    }
}

extension SplitProtocol: ExpressibleByArgument {}

/// What `quintet inspect` says of one split.
struct SplitSummary {
    let name: String
    let examples: [Example]
    /// In tokens, special ones included.
    let lengths: [Int]
    let task: TaskDescription

    func lines(maximumLength: Int) -> [String] {
        let sorted = self.lengths.sorted()
        guard let longest = sorted.last else { return ["\(self.name): no rows"] }
        let cut = self.lengths.count { $0 > maximumLength }
        let places = [("median", 0.5), ("90 %", 0.9), ("99 %", 0.99)].map { name, share in
            "\(name) \(sorted[Int((Double(sorted.count - 1) * share).rounded())])"
        }
        return [
            "\(self.name): \(self.examples.count) rows; \(self.balance)",
            "  tokens: \(places.joined(separator: ", ")), longest \(longest); "
                + "\(self.percent(cut)) cut at \(maximumLength)",
        ]
    }

    /// Each class's share, the range of the scores, the mean number of candidates, the share without an answer.
    private var balance: String {
        switch self.task.labels {
        case .classes(let names):
            let shares = names.indices.map { index in
                "\(names[index]) \(self.percent(self.examples.count { $0.label == .classIndex(index) }))"
            }
            return shares.joined(separator: ", ")
        case .score:
            let scores = self.examples.compactMap { if case .score(let score) = $0.label { score } else { nil } }
            let mean = scores.reduce(0) { $0 + Double($1) } / Double(scores.count)
            return "scores \(scores.min() ?? 0) to \(scores.max() ?? 0), mean \((mean * 100).rounded() / 100)"
        case .candidate:
            let candidates = self.examples.reduce(0) { $0 + $1.reading.texts.count }
            return "\((Double(candidates) / Double(self.examples.count) * 100).rounded() / 100) candidates each"
        case .span: return "\(self.percent(self.examples.count { $0.label == .answers([]) })) without an answer"
        }
    }

    private func percent(_ count: Int) -> String {
        "\((Double(count) / Double(self.examples.count) * 1000).rounded() / 10) %"
    }
}

extension Label {
    /// As the task's files write it.
    fileprivate func text(of task: TaskDescription) -> String {
        switch (self, task.labels) {
        case (.classIndex(let index), .classes(let names)): names[index]
        case (.score(let score), _): "\(score)"
        case (.answers(let answers), _): answers.isEmpty ? "no answer" : answers.map(\.text).joined(separator: " | ")
        case (.classIndex, _): preconditionFailure("\(self) is no label of \(task.name)")
        }
    }
}
