import Adapters
import Foundation
import TestSupport
import Testing

@testable import Encoders
@testable import Training

@Suite struct SavedAdapterFuzzTests {
    /// Goal: whatever an `adapter_config.json` says, it is refused with a ``BackboneError`` or gives updates of finite
    /// scale whose ranks have places.
    @Test(.timeLimit(.minutes(60))) func `damaged adapter configurations`() async throws {
        let module = "bert.encoder.layer.0.output.dense"
        func file(_ tensors: [(name: String, shape: [Int])]) throws -> Safetensors {
            var writer = SafetensorsWriter()
            for (name, shape) in tensors {
                [Float](repeating: 1, count: shape.reduce(1, *)).withUnsafeBufferPointer {
                    writer.add("base_model.model.\(module).\(name)", shape: shape, $0)
                }
            }
            return try Safetensors(path: "f", bytes: try writer.bytes())
        }
        let files = try [
            file([("lora_A.weight", [2, 3]), ("lora_B.weight", [4, 2])]),
            file([("lora_A", [2, 3]), ("lora_B", [4, 2]), ("lora_E", [2, 1])]),
        ]
        let valid = [
            """
            {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "bias": "none", "use_rslora": true, "use_dora": false,
            "rank_pattern": {"output.dense": 2}, "alpha_pattern": {"layer\\\\.[0-9]+\\\\.output.dense": 4}}
            """,
            """
            {"peft_type": "ADALORA", "init_r": 3, "lora_alpha": 16, "bias": "none", "eva_config": null,
            "rank_pattern": {"\(module).lora_E": [true, false, true]}}
            """,
        ]
        let report = try await Fuzzing("adapter_config.json", inputs: 2000).run(valid.map { [UInt8]($0.utf8) }) {
            input,
            _ in
            do {
                let reader = try ConfigurationReader(path: "f", bytes: input)
                for file in files {
                    guard let adapter = try? SavedAdapter(reader, file) else { continue }
                    for update in try adapter.updates().values {
                        precondition(update.scale.isFinite && update.scale > 0 && update.places.count == 2)
                    }
                    return .accepted
                }
                return .refused
            } catch is BackboneError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
