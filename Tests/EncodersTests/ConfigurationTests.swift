import Encoders
import Foundation
import Testing

@Suite struct ConfigurationTests {
    /// Reads a configuration with other values for some keys.
    private func problem(_ name: String, _ changes: [String: Any]) throws -> String? {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let given = try Data(contentsOf: URL(filePath: GoldenBERT.folder + "/" + name + "/config.json"))
        let object = try JSONSerialization.jsonObject(with: given) as? [String: Any] ?? [:]
        let changed = try JSONSerialization.data(withJSONObject: object.merging(changes) { $1 })
        try changed.write(to: folder.appending(path: "config.json"))
        do {
            _ = try EncoderConfiguration(folder: folder.path)
            return nil
        } catch { return "\(error)" }
    }

    @Test func `what a configuration asks for and is not supported is named`() throws {
        let cases: [(String, String, Any)] = [
            ("roberta", "model_type", "xlnet"), ("roberta", "hidden_act", "gelu_new"),
            ("roberta", "position_embedding_type", "relative_key"),
            ("deberta-v3", "pos_att_type", "p2c|p2p"), ("deberta-v3", "norm_rel_ebd", "batch_norm"),
            ("deberta-v3", "attention_head_size", 5), ("deberta-v3", "pooler_hidden_size", 12),
            ("deberta-v3", "pooler_hidden_act", "mish"), ("deberta-v3", "position_buckets", 1),
            ("deberta-v3", "relative_attention", "yes"), ("deberta-convolution", "conv_kernel_size", 4),
            ("deberta-convolution", "conv_act", "mish"), ("deberta-convolution", "conv_groups", 2),
        ]
        for (name, key, value) in cases {
            let problem = try self.problem(name, [key: value])
            #expect(problem?.contains("\(key) is") == true, "\(name), \(key): \(problem ?? "accepted")")
        }
        #expect(try self.problem("roberta", ["pad_token_id": 47])?.contains("pad_token_id + 1") == true)
    }

    @Test func `what a configuration leaves out has the default of transformers`() throws {
        let null = NSNull()
        for key in ["pos_att_type", "norm_rel_ebd", "position_buckets", "conv_kernel_size", "relative_attention"] {
            #expect(try self.problem("deberta-convolution", [key: null]) == nil, "\(key)")
        }
        #expect(try self.problem("deberta-v3", ["pos_att_type": "c2p | P2C"]) == nil)
    }
}
