import Encoders
import TestSupport
import Testing

@Suite struct SafetensorsFuzzTests {
    /// Goal: whatever a file's header says, tensors lie inside the file, or the file is refused with a ``BackboneError``.
    /// Method: every tensor that is there is read to its last element.
    @Test(.timeLimit(.minutes(60))) func `damaged safetensors files`() async throws {
        var large = SafetensorsWriter(metadata: ["format": "pt", "quintet.state": "{\"step\":3}"])
        [1.5, -2, 3, 4, 5, 6].withUnsafeBufferPointer { large.add("layer.0.weight", shape: [2, 3], $0) }
        [Int32(7), -8].withUnsafeBufferPointer { large.add("ids", shape: [2], $0) }
        [Float(1)].withUnsafeBufferPointer { large.add("scalar", shape: [], $0) }
        [Float]().withUnsafeBufferPointer { large.add("none", shape: [0, 4], $0) }
        let valid = try [large.bytes(), SafetensorsWriter().bytes()]
        let report = try await Fuzzing("safetensors").run(valid) { input, _ in
            do {
                let file = try Safetensors(path: "f", bytes: input)
                var sum = 0.0
                for (name, tensor) in file.tensors {
                    guard tensor.count >= 0 else { return .refused }
                    if tensor.type == .f32 { sum += try file.floats(name).reduce(0) { $0 + Double($1) } }
                    if tensor.type == .i32 { sum += try file.integers(name).reduce(0) { $0 + Double($1) } }
                }
                return sum == .infinity ? .refused : .accepted
            } catch is BackboneError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
