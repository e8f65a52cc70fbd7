import Encoders
import Foundation
import Sweeps
import Testing
import Training

/// What starts from an adapter in PEFT's files; that PEFT's own are read is checked with `compare_export.py`.
@Suite struct SavedAdapterTests {
    private static let methods: [String: Settings] = [
        "lora": ["rank": .integer(3), "targets": .list(["query", "output"])],
        "adalora": ["initialRank": .integer(4), "targetRank": .integer(1), "targets": .list(["query", "output"])],
        "sora": ["rank": .integer(3), "sparsity": .number(0.04)],
        "alora": [
            "initialRank": .integer(2), "maximumRank": .integer(4), "prunedRanks": .integer(8), "rounds": .integer(2),
            "firstEpochs": .number(0.5), "roundEpochs": .number(0.5), "importanceExamples": .integer(8),
            "scaling": .text("current"),
        ],
    ]
    /// Room for each of these, and another scale than theirs; nothing happens in the one step.
    private static let still: Settings = ["learningRate": .number(0), "maximumSteps": .integer(1)]
    private static let room: [String: Settings] = [
        "lora": ["rank": .integer(6)], "adalora": ["initialRank": .integer(6), "targetRank": .integer(2)],
        "sora": ["rank": .integer(6), "sparsity": .number(0)],
        "alora": [
            "initialRank": .integer(1), "maximumRank": .integer(6), "rounds": .integer(0), "scaling": .text("current"),
        ],
    ]

    /// A trained shard's logits, and the folder of its adapter.
    private func exported(
        _ shard: SmallShard,
        _ method: String,
        task: String = "offline",
        _ more: Settings = [:]
    ) throws -> (logits: [Float], folder: String) {
        var settings: Settings = [
            "learningRate": .number(5e-3), "epochs": .integer(3), "checkpoint": .text("last"),
        ]
        settings.merge(Self.methods[method] ?? [:]) { $1 }
        settings.merge(more) { $1 }
        let order = try shard.order(method: method, task: task, settings)
        let logits = shard.folder + "/\(method).jsonl"
        _ = try shard.train(order, logitsFile: logits, name: method)
        let model = try TrainedModel(
            order.shard,
            backboneFolder: order.backboneFolder,
            parameters: try Safetensors(path: shard.folder + "/\(method)/parameters.safetensors")
        )
        let folder = shard.folder + "/\(method)-adapter"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for file in try model.exported(backbone: "tiny", isMerged: false, steps: 24) {
            try Data(file.bytes).write(to: URL(filePath: "\(folder)/\(file.name)"))
        }
        return (try self.logits(logits), folder)
    }

    private func logits(_ path: String) throws -> [Float] {
        struct Line: Decodable { let logits: [[Float]] }
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").flatMap { line in
            try JSONDecoder().decode(Line.self, from: Data(line.utf8)).logits.joined()
        }
    }

    /// The logits of a run that starts from a folder and learns nothing.
    private func started(
        _ shard: SmallShard,
        _ method: String,
        task: String = "offline",
        from folder: String?,
        _ settings: Settings
    ) throws -> [Float] {
        let path = shard.folder + "/again.jsonl"
        let order = try shard.order(method: method, task: task, seed: 9, Self.still.merging(settings) { $1 })
        _ = try shard.train(order, initial: folder, logitsFile: path, name: "again")
        return try self.logits(path)
    }

    private func difference(_ first: [Float], _ second: [Float]) -> Float {
        #expect(first.count == second.count && !first.isEmpty)
        return zip(first, second).map { abs($0 - $1) }.max() ?? .infinity
    }

    /// Goal: whatever method trained an adapter, and whatever ranks it kept, each method starts with the same function.
    /// Method: the logits of the scored rows, after no learning; with ranks, places and a scale of its own.
    @Test(arguments: ["lora", "adalora", "sora", "alora"])
    func `every low-rank method starts from the adapter of every other as it was`(method: String) throws {
        let shard = try SmallShard()
        let (expected, folder) = try self.exported(shard, method)
        for (again, settings) in Self.room.sorted(by: { $0.key < $1.key }) {
            let settings = settings.merging(["alpha": .number(5)]) { $1 }
            let actual = try self.started(shard, again, from: folder, settings)
            #expect(self.difference(expected, actual) < 1e-5, "\(method) as \(again)")
            let other = try self.started(shard, again, from: nil, settings)
            #expect(self.difference(expected, other) > 1e-2, "\(method) as \(again)")
        }
        // Ranks are gone, and in one layer all, which a test of whole adapters alone would not notice.
        let tensors = try Safetensors(path: folder + "/adapter_model.safetensors").tensors
        let ranks = tensors.filter { $0.key.contains("lora_A") }.map { $0.value.shape[0] }
        if method != "lora" { #expect(Set(ranks).count > 1, "\(ranks)") }
        if method == "adalora" { #expect(ranks.contains(0)) }
        if method == "sora" { #expect(ranks.count < 12) }
    }

    /// Goal: AdaLoRA goes on with the triplets where they stood. Method: after no learning, E is what it was.
    @Test func `AdaLoRA's triplets stand where they stood`() throws {
        let shard = try SmallShard()
        let (_, folder) = try self.exported(shard, "adalora")
        _ = try self.started(shard, "adalora", from: folder, Self.methods["adalora"] ?? [:])
        let (first, again) = try (
            Safetensors(path: shard.folder + "/adalora/parameters.safetensors"),
            Safetensors(path: shard.folder + "/again/parameters.safetensors")
        )
        let names = first.tensors.keys.filter { $0.hasSuffix("lora_E") }
        let e = try names.map { Array(try first.floats($0)) }
        #expect(try names.map { Array(try again.floats($0)) } == e)
        // One that is left stands behind one that is not.
        #expect(e.contains { zip($0, $0.dropFirst()).contains { $0 == 0 && $1 != 0 } })
    }

    @Test func `a head that is not trained is saved and taken over`() throws {
        let shard = try SmallShard()
        let frozen: Settings = ["headTrainable": .flag(false)]
        let (expected, folder) = try self.exported(shard, "lora", frozen)
        let actual = try self.started(shard, "lora", from: folder, frozen.merging(["rank": .integer(3)]) { $1 })
        #expect(self.difference(expected, actual) < 1e-5)
    }

    /// Goal: a head for spans goes the same way; without a task type, whose class in PEFT would read no token types.
    @Test func `a head for spans is saved without a task type`() throws {
        let shard = try SmallShard()
        let rows = (0..<8).map { row in
            """
            {"context": "the story was \(row % 2 == 0 ? "warm" : "dull") so it was", "qas": [{"id": "\(row)", \
            "question": "was it so", "answers": [{"text": "\(row % 2 == 0 ? "warm" : "dull")", "answer_start": 14}]}]}
            """
        }
        let data = Data(#"{"data": [{"paragraphs": [\#(rows.joined(separator: ", "))]}]}"#.utf8)
        try FileManager.default.createDirectory(atPath: shard.folder + "/squad", withIntermediateDirectories: true)
        for name in ["train", "dev"] { try data.write(to: URL(filePath: "\(shard.folder)/squad/\(name)-v1.1.json")) }
        let whole: Settings = ["protocol": .text("fullDev"), "trainingExamples": .integer(8)]
        let (expected, folder) = try self.exported(shard, "lora", task: "squad", whole)
        let text = try String(contentsOfFile: folder + "/adapter_config.json", encoding: .utf8)
        #expect(text.contains(#""modules_to_save":["qa_outputs"]"#) && !text.contains("task_type"))
        let settings = whole.merging(["rank": .integer(3)]) { $1 }
        let actual = try self.started(shard, "lora", task: "squad", from: folder, settings)
        #expect(self.difference(expected, actual) < 1e-5)
    }

    @Test func `an adapter of which nothing is left is refused with what helps`() throws {
        let shard = try SmallShard()
        let error = #expect(throws: ExportError.self) {
            try self.exported(shard, "sora", ["sparsity": .number(10)])
        }
        #expect(error?.description.contains("--merge") == true)
    }

    private static let mistakes: [(change: String, method: String, settings: Settings, message: String)] = [
        (#"{"peft_type": "LOHA"}"#, "lora", [:], #"peft_type is "LOHA"; supported: LORA, ADALORA"#),
        (#"{"bias": "all"}"#, "lora", [:], #"bias is "all"; supported: none"#),
        (#"{"use_dora": true}"#, "lora", [:], "use_dora is true, which cannot be taken over"),
        (#"{"fan_in_fan_out": true}"#, "lora", [:], "fan_in_fan_out is true"),
        (#"{"init_lora_weights": "pissa"}"#, "lora", [:], #"init_lora_weights is "pissa""#),
        (#"{"lora_alpha": 0}"#, "lora", [:], "lora_alpha is 0"),
        (#"{"alpha_pattern": {"(": 2}}"#, "lora", [:], "alpha_pattern has (: 2"),
        (#"{"alpha_pattern": {"query": 2, "self.query": 3}}"#, "lora", [:], "keep one"),
        (#"{"peft_type": "ADALORA"}"#, "lora", [:], "no low-rank update and no part of this task's head"),
        ("{}", "lora", ["rank": .integer(2)], "and rank is 2: raise it"),
        ("{}", "lora", ["targets": .list(["query"])], "add it to targets"),
        ("{}", "bitfit", [:], "which this method has not"),
        ("{}", "houlsby", [:], "which this method has not"),
    ]

    @Test(arguments: Self.mistakes.indices)
    func `what cannot be taken over is named`(index: Int) throws {
        let (change, method, settings, message) = Self.mistakes[index]
        let shard = try SmallShard()
        let (_, folder) = try self.exported(shard, "lora", ["maximumSteps": .integer(1)])
        let path = URL(filePath: folder + "/adapter_config.json")
        var object = try JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any] ?? [:]
        let changes = try JSONSerialization.jsonObject(with: Data(change.utf8)) as? [String: Any]
        object.merge(try #require(changes)) { $1 }
        try JSONSerialization.data(withJSONObject: object).write(to: path)
        let error = #expect(throws: BackboneError.self) {
            try self.started(shard, method, from: folder, settings)
        }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }

    /// A file of the tensors that are left, some with others' values.
    private func rewrite(_ folder: String, _ change: (String, [Int]) -> (name: String, shape: [Int])?) throws {
        let path = folder + "/adapter_model.safetensors"
        let file = try Safetensors(path: path)
        var writer = SafetensorsWriter()
        for (name, tensor) in file.tensors.sorted(by: { $0.key < $1.key }) {
            guard let (name, shape) = change(name, tensor.shape) else { continue }
            [Float](repeating: 0, count: shape.reduce(1, *)).withUnsafeBufferPointer {
                writer.add(name, shape: shape, $0)
            }
        }
        try Data(try writer.bytes()).write(to: URL(filePath: path))
    }

    @Test func `tensors that are missing, left over or of other shapes are named`() throws {
        let shard = try SmallShard()
        let (_, folder) = try self.exported(shard, "lora", ["maximumSteps": .integer(1)])
        let path = folder + "/adapter_model.safetensors"
        let whole = try Data(contentsOf: URL(filePath: path))
        let layer = "base_model.model.bert.encoder.layer.1.output.dense"
        let changes: [(String, (String, [Int]) -> (name: String, shape: [Int])?)] = [
            ("has no encoder.layer.1.output.dense.lora_B.weight", { $0 == "\(layer).lora_B.weight" ? nil : ($0, $1) }),
            (
                "which are no low-rank update",
                { ($0, $0 == "\(layer).lora_A.weight" ? [2, 64] : $1) }
            ),
            (
                "is not 64 wide and 32 high", { ($0, $0 == "\(layer).lora_A.weight" ? [3, 60] : $1) }
            ),
            (
                "no part of this task's head",
                { ($0 == "\(layer).lora_A.weight" ? "\(layer).lora_magnitude_vector" : $0, $1) }
            ),
            (
                "has no \"classifier.weight\": save it with classifier",
                { $0.hasSuffix("classifier.weight") ? nil : ($0, $1) }
            ),
            ("has the shape [3, 32]", { ($0, $0.hasSuffix("classifier.weight") ? [3, 32] : $1) }),
            ("has no tensor that ends with .lora_A.weight", { $0.contains("lora") ? nil : ($0, $1) }),
        ]
        for (message, change) in changes {
            try whole.write(to: URL(filePath: path))
            try self.rewrite(folder, change)
            let error = #expect(throws: BackboneError.self) {
                try self.started(shard, "lora", from: folder, ["rank": .integer(3)])
            }
            #expect(error?.description.contains(message) == true, "\(message): \(String(describing: error))")
        }
        try FileManager.default.removeItem(atPath: folder + "/adapter_config.json")
        let error = #expect(throws: BackboneError.self) { try self.started(shard, "lora", from: folder, [:]) }
        #expect(error?.description.contains("adapter_config.json") == true)
    }
}
