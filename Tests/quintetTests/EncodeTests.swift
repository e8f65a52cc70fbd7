import ArgumentParser
import Encoders
import Foundation
import Testing

@testable import quintet

/// Hidden states of a pretrained encoder on real sentences (`Tests/Reference/make_hidden_golden.py`).
///
/// Needs the backbone (`QUINTET_MINILM`, or the cache) and the development data beside the checkout; skipped without.
@Suite struct EncodeTests {
    private struct Golden: Decodable {
        /// Of every dev example four values of its first and four of its middle token.
        var tasks: [String: [[Float]]]
    }

    static let backbone: String? = {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["QUINTET_CACHE"] ?? "\(NSHomeDirectory())/.cache/quintet"
        let folders = [environment["QUINTET_MINILM"], "\(cache)/backbones/all-minilm-l6-v2"].compactMap { $0 }
        return folders.first { FileManager.default.fileExists(atPath: "\($0)/model.safetensors") }
    }()

    static let data: String? = {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().appending(path: "../../..").standardized
        let folder = root.appending(path: "../shared/data/glue").standardized.path
        return FileManager.default.fileExists(atPath: folder) ? folder : nil
    }()

    @Test(
        .enabled(
            if: backbone != nil && data != nil,
            "needs all-minilm-l6-v2 (in the cache or at QUINTET_MINILM) and ../shared/data/glue"
        ),
        arguments: ["RTE", "CoLA", "STS-B"]
    )
    func `hidden states are within 1e-5 of transformers in float64`(task: String) throws {
        let (backbone, data) = (try #require(Self.backbone), try #require(Self.data))
        let golden = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/minilm-hidden.json")
        let expected = try #require(JSONDecoder().decode(Golden.self, from: Data(contentsOf: golden)).tasks[task])
        let output = FileManager.default.temporaryDirectory.path + "/quintet-encode-\(UUID().uuidString).safetensors"
        defer { try? FileManager.default.removeItem(atPath: output) }
        try Encode.parse(["--backbone", backbone, "--data", data, "--task", task, "--output", output]).run()
        let file = try Safetensors(path: output)
        let (offsets, hidden) = (try file.integers("offsets").map(Int.init), try file.floats("hidden"))
        let width = try #require(file.tensors["hidden"]).shape[1]
        #expect(offsets.count == expected.count + 1)
        var largest: Float = 0
        for (example, values) in expected.enumerated() {
            let (start, end) = (offsets[example], offsets[example + 1])
            for (place, token) in [start, start + (end - start) / 2].enumerated() {
                for i in 0..<4 { largest = max(largest, abs(hidden[token * width + i] - values[4 * place + i])) }
            }
        }
        #expect(largest < 1e-5)
    }

    /// Goal: logits come of the head that the backbone's own files have, in the shape of the task's head.
    @Test func `logits are those of the files' own head`() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/quintet-logits-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let golden = tests.appending(path: "EncodersTests/Golden/heads-bert").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["config.json", "model.safetensors"] {
            try FileManager.default.copyItem(atPath: "\(golden)/\(name)", toPath: "\(folder)/\(name)")
        }
        let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "it", "fell", "broke", "flew"]
        let files = [
            "vocab.txt": words.joined(separator: "\n"),
            "train.jsonl":
                #"{"premise": "It fell", "choice1": "it broke", "choice2": "flew", "question": "cause", "label": 0}"#,
            "train-v1.1.json":
                #"{"data": [{"paragraphs": [{"context": "it fell", "qas": [{"id": "1", "question": "it", "#
                + #""answers": [{"text": "fell", "answer_start": 3}]}]}]}]}"#,
        ]
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
        func logits(_ task: String) throws -> [Int]? {
            let places = [
                "--backbone", folder, "--data", folder, "--output", folder + "/out", "--set", "maximumLength=40",
            ]
            try Encode.parse(places + ["--task", task, "--split", "train", "--logits"]).run()
            return try Safetensors(path: folder + "/out").tensors["logits"]?.shape
        }
        #expect(try logits("copa") == [2, 1])
        #expect(try logits("squad") == [6, 2])
        var configuration = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
        configuration.replace("\"bert\"", with: "\"roberta\"")
        try Data(configuration.utf8).write(to: URL(filePath: folder + "/config.json"))
        try Data("sentence\tlabel\nit fell\t1\n".utf8).write(to: URL(filePath: folder + "/train.tsv"))
        let error = #expect(throws: BackboneError.self) { try logits("sst-2") }
        #expect(error?.message.contains("has no head for this task (classifier.out_proj.weight)") == true)
    }
}
