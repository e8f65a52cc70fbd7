import Encoders
import Foundation
import Sweeps
import Tasks
import Testing
import Training

/// What Hugging Face's libraries load of finished shards; that they do is checked with them by hand.
@Suite struct ModelExportTests {
    /// A trained shard.
    private func trained(
        _ shard: SmallShard,
        _ method: String,
        task: String = "offline",
        _ settings: Settings = [:]
    ) throws -> TrainedModel {
        let order = try shard.order(method: method, task: task, settings)
        _ = try shard.train(order, name: method)
        let path = shard.folder + "/\(method)/parameters.safetensors"
        let parameters = try Safetensors(path: path)
        return try TrainedModel(order.shard, backboneFolder: order.backboneFolder, parameters: parameters)
    }

    private func write(_ files: [TrainedModel.ExportedFile], into folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for file in files { try Data(file.bytes).write(to: URL(filePath: "\(folder)/\(file.name)")) }
    }

    @Test func `an adapter says what PEFT asks, and starts training again`() throws {
        let shard = try SmallShard()
        let targets: Settings = ["rank": .integer(2), "targets": .list(["query", "output"])]
        let model = try self.trained(shard, "lora", targets)
        let files = try model.exported(backbone: "tiny", isMerged: false, steps: 60)
        #expect(files.map(\.name) == ["adapter_config.json", "adapter_model.safetensors"])
        #expect(
            String(decoding: files[0].bytes, as: UTF8.self) == """
                {"base_model_name_or_path":"tiny","bias":"none","fan_in_fan_out":false,"inference_mode":true,\
                "lora_alpha":16,"lora_dropout":0,"modules_to_save":["classifier","pooler"],"peft_type":"LORA","r":2,\
                "target_modules":".*\\\\.encoder\\\\.layer\\\\.\\\\d+\\\\.(attention\\\\.self\\\\.query|output\\\\.dense)",\
                "task_type":"SEQ_CLS"}

                """
        )
        let folder = shard.folder + "/adapter"
        try self.write(files, into: folder)
        let names = try Safetensors(path: folder + "/adapter_model.safetensors").tensors.keys
        #expect(names.contains("base_model.model.bert.encoder.layer.1.output.dense.lora_B.weight"))
        #expect(names.contains("base_model.model.bert.pooler.dense.bias"))
        #expect(names.contains("base_model.model.classifier.weight"))
        let still = targets.merging(["learningRate": .number(0), "maximumSteps": .integer(1)]) { $1 }
        _ = try shard.train(shard.order(method: "lora", seed: 9, still), initial: folder, name: "again")
        let (first, again) = try (
            Safetensors(path: shard.folder + "/lora/parameters.safetensors"),
            Safetensors(path: shard.folder + "/again/parameters.safetensors")
        )
        for name in first.tensors.keys {
            #expect(try Array(again.floats(name)) == Array(first.floats(name)), "\(name)")
        }
    }

    /// Goal: a whole model with adapters in its weights says what the adapted one says. Method: scores, which show every
    /// difference; it is loaded as a backbone, with the head that it then has.
    @Test(arguments: MethodDescription.all.map(\.name).filter { !["houlsby", "pfeiffer"].contains($0) })
    func `a whole model predicts as the adapted one`(method: String) throws {
        let shard = try SmallShard()
        let rows = (0..<40).map { row in
            "\(row)\tthe story was \(row % 2 == 0 ? "dull" : "warm")\tso it was\t\(row % 2 == 0 ? 1 : 4)"
        }
        let table = Data((["index\tsentence1\tsentence2\tscore"] + rows).joined(separator: "\n").utf8)
        try FileManager.default.createDirectory(atPath: shard.folder + "/STS-B", withIntermediateDirectories: true)
        for name in ["train.tsv", "dev.tsv"] { try table.write(to: URL(filePath: "\(shard.folder)/STS-B/\(name)")) }
        let model = try self.trained(
            shard,
            method,
            task: "sts-b",
            ["learningRate": .number(3e-3), "epochs": .integer(60), "protocol": .text("fullDev")]
        )
        let files = try model.exported(backbone: "tiny", isMerged: true, steps: 60)
        #expect(files.map(\.name) == ["config.json", "model.safetensors", "vocab.txt"])
        let folder = shard.folder + "/merged"
        try self.write(files, into: folder)
        let text = String(decoding: files[0].bytes, as: UTF8.self)
        #expect(text.contains(#""BertForSequenceClassification""#) && text.contains(#""regression""#))
        let whole = try TrainedModel(
            try shard.order(method: "full", task: "sts-b").shard,
            backboneFolder: folder,
            parameters: try Safetensors(path: folder + "/model.safetensors")
        )
        let dev = try TaskFiles(task: try TaskDescription.named("sts-b"), folder: shard.folder).examples(.dev)
        func scores(_ model: TrainedModel) -> [Float] {
            model.predict(dev, threads: 1).compactMap { if case .score(let score) = $0 { score } else { nil } }
        }
        let (expected, actual) = (scores(model), scores(whole))
        #expect(expected.count == 40 && abs(expected[0] - expected[1]) > 1e-3)
        #expect(zip(expected, actual).allSatisfy { abs($0 - $1) < 1e-5 })
    }
}
