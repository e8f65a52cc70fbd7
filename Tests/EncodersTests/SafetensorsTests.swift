import Encoders
import Testing

@Suite struct SafetensorsTests {
    private func file(_ header: String, data: Int = 16) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
            + [UInt8](repeating: 0, count: data)
    }

    private func problem(_ bytes: [UInt8]) -> String? {
        do {
            _ = try Safetensors(path: "f", bytes: bytes)
            return nil
        } catch { return "\(error)" }
    }

    @Test func `what is written is read back`() throws {
        var writer = SafetensorsWriter(metadata: ["a": "\"quoted\"\n"])
        [1.5, -2, 3, 4, 5, 6].withUnsafeBufferPointer { writer.add("x", shape: [2, 3], $0) }
        [Int32(7), -8].withUnsafeBufferPointer { writer.add("ids", shape: [2], $0) }
        let file = try Safetensors(path: "f", bytes: try writer.bytes())
        #expect(try Array(file.floats("x")) == [1.5, -2, 3, 4, 5, 6])
        #expect(try Array(file.integers("ids")) == [7, -8])
        #expect(file.metadata == ["a": "\"quoted\"\n"])
        #expect(file.tensors["x"]?.shape == [2, 3])
    }

    @Test func `every false header is refused with its reason`() {
        let cases: [(String, String)] = [
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,20]}}", "outside the file"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,16]}}", "needs 20 bytes"),
            ("{\"x\":{\"dtype\":\"F99\",\"shape\":[4],\"data_offsets\":[0,16]}}", "F99 is not known"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", "out of range"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,16]}}", "out of range"),
            ("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "outside the file"),
            ("{\"x\":{\"shape\":[4],\"data_offsets\":[0,16]}}", "lacks dtype"),
            (
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
                    + "\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", "overlap"
            ),
            ("[1]", "no JSON object"), ("{}}", "no JSON object"),
        ]
        for (header, reason) in cases {
            let message = self.problem(self.file(header))
            #expect(message?.contains(reason) == true, "\(header): \(message ?? "accepted")")
        }
        #expect(self.problem([1, 2, 3])?.contains("3 bytes") == true)
        #expect(self.problem([UInt8](repeating: 0xFF, count: 40))?.contains("truncated") == true)
    }

    @Test func `another type and a missing name are told`() throws {
        let file = try Safetensors(
            path: "f",
            bytes: self.file("{\"x\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]}}")
        )
        let type = #expect(throws: BackboneError.self) { try file.floats("x") }
        #expect(type?.description.contains("F16") == true)
        let missing = #expect(throws: BackboneError.self) { try file.floats("y") }
        #expect(missing?.description.contains("\"y\"") == true)
    }
}
