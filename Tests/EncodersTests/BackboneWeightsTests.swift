import Foundation
import Layers
import Tensors
import TestSupport
import Testing

@testable import Encoders

@Suite final class BackboneWeightsTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "weights-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: self.folder) }

    private func write(_ name: String, _ content: some Sequence<UInt8>) throws {
        try Data(content).write(to: self.folder.appending(path: name))
    }

    private static func file(_ tensors: [(String, [Float])]) throws -> [UInt8] {
        var writer = SafetensorsWriter()
        for (name, values) in tensors { values.withUnsafeBufferPointer { writer.add(name, shape: [values.count], $0) } }
        return try writer.bytes()
    }

    private static let declarations = ["embeddings.LayerNorm.weight", "encoder.layer.0.output.LayerNorm.bias"].map {
        ParameterDeclaration(name: $0, shape: [2], source: .backbone, isTrainable: false)
    }

    private func values(_ weights: BackboneWeights) throws -> [[Float]] {
        let store = try ParameterStore(Self.declarations, backbone: weights, seed: 0)
        return Self.declarations.map { Array(store[$0.name].value[0]) }
    }

    private func problem(_ body: () throws -> some Any) -> String {
        do { return "accepted: \(try body())" } catch { return "\(error)" }
    }

    /// Goal: whatever a publisher calls them, the encoder finds its parameters, and what it does not use is told.
    @Test(arguments: ["", "bert.", "roberta.", "deberta."], [("weight", "bias"), ("gamma", "beta")])
    func `names of every kind are found`(prefix: String, norm: (String, String)) throws {
        let names = ["\(prefix)embeddings.LayerNorm.\(norm.0)", "\(prefix)encoder.layer.0.output.LayerNorm.\(norm.1)"]
        let others = ["\(prefix)embeddings.position_ids", "\(prefix)pooler.dense.bias", "lm_predictions.lm_head.bias"]
        let file = try Self.file([(names[0], [1, 2]), (names[1], [3, 4])] + others.map { ($0, [0, 0]) })
        let weights = try BackboneWeights(file: try Safetensors(path: "f", bytes: file))
        #expect(try weights.check(against: Self.declarations) == others.sorted())
        #expect(try self.values(weights) == [[1, 2], [3, 4]])
        #expect(weights.has("pooler.dense.bias", shape: [2]) && !weights.has("pooler.dense.bias", shape: [1, 2]))
    }

    @Test func `what is missing, unknown or there twice is named`() throws {
        let missing = try Self.file([("bert.embeddings.LayerNorm.gamma", [1, 2])])
        let unknown = try Self.file([("roberta.encoder.layer.9.extra", [1])])
        let twice = try Self.file([("bert.a", [1]), ("a", [1])])
        func weights(_ file: [UInt8]) throws -> BackboneWeights {
            try BackboneWeights(file: try Safetensors(path: "f", bytes: file))
        }
        #expect(self.problem { try self.values(weights(missing)) }.contains("has no tensor \"encoder.layer.0.output"))
        let message = self.problem { try weights(unknown).check(against: Self.declarations) }
        #expect(message.contains("\"roberta.encoder.layer.9.extra\" belongs to no part"))
        #expect(self.problem { try weights(twice) }.contains("\"bert.a\" is the same as \"a\""))
    }

    /// Goal: halves and brain floats become the floats that they are.
    /// Method: one, minus two and a half, the smallest subnormal and the largest half; for brain floats the upper bits.
    @Test(arguments: [("F16", [0x3C00, 0xC100, 0x0001, 0x7BFF]), ("BF16", [0x3F80, 0xC020, 0x3380, 0x477F])])
    func `sixteen-bit weights are widened`(type: String, bits: [UInt16]) throws {
        let header =
            "{\"bert.embeddings.LayerNorm.weight\":{\"dtype\":\"\(type)\",\"shape\":[2],\"data_offsets\":[0,4]},"
            + "\"bert.encoder.layer.0.output.LayerNorm.bias\":{\"dtype\":\"\(type)\",\"shape\":[2],\"data_offsets\":[4,8]}}"
        let bytes =
            withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
            + bits.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let weights = try BackboneWeights(file: try Safetensors(path: "f", bytes: bytes))
        let expected: [[Float]] =
            type == "F16" ? [[1, -2.5], [Float(5.9604645e-8), 65504]] : [[1, -2.5], [Float(5.9604645e-8), 65280]]
        #expect(try self.values(weights) == expected)
    }

    @Test func `weights in several files are found by their index`() throws {
        try self.write("a-1.safetensors", Self.file([("bert.embeddings.LayerNorm.gamma", [1, 2])]))
        try self.write("a-2.safetensors", Self.file([("bert.encoder.layer.0.output.LayerNorm.beta", [3, 4])]))
        let index = """
            {"metadata":{"total_size":16},"weight_map":{"bert.embeddings.LayerNorm.gamma":"a-1.safetensors",
             "bert.encoder.layer.0.output.LayerNorm.beta":"a-2.safetensors"}}
            """
        try self.write("model.safetensors.index.json", index.utf8)
        #expect(try self.values(try BackboneWeights(folder: self.folder.path)) == [[1, 2], [3, 4]])
        try FileManager.default.removeItem(at: self.folder.appending(path: "a-2.safetensors"))
        #expect(
            self.problem { try BackboneWeights(folder: self.folder.path) }.contains("a-2.safetensors: No such file")
        )
        for (map, reason) in [("\"../secret\"", "no plain name"), ("7", "no weight_map"), ("\"\"", "no plain name")] {
            try self.write("model.safetensors.index.json", "{\"weight_map\":{\"x\":\(map)}}".utf8)
            #expect(self.problem { try BackboneWeights(folder: self.folder.path) }.contains(reason))
        }
    }

    /// Goal: whatever an index says, only plain names of a bounded number of files come out of it.
    @Test(.timeLimit(.minutes(60))) func `damaged indices of weights`() async throws {
        let valid = [
            #"{"metadata":{"total_size":16},"weight_map":{"bert.a":"a-1.safetensors","bert.b":"a-2.safetensors"}}"#,
            #"{"weight_map":{"x":"../secret","y":".hidden","z":""}}"#, #"{"weight_map":{}}"#,
        ].map { Array($0.utf8) }
        let report = try await Fuzzing("indices of weights").run(valid) { input, _ in
            do {
                let names = try BackboneWeights.files(ofIndex: input, "f")
                precondition(names.allSatisfy { !$0.isEmpty && !$0.contains("/") && !$0.hasPrefix(".") })
                return .accepted
            } catch is BackboneError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    /// Goal: what a trainer will hold is counted by how the numbers are stored.
    /// Method: two vectors of two numbers each; one frozen, one trained, whose memory is counted elsewhere.
    @Test func `memory is that of the files, and of what is frozen and must be converted`() throws {
        var declarations = Self.declarations
        declarations[1].isTrainable = true
        let names = declarations.map(\.name)
        let floats = try BackboneWeights(file: Safetensors(path: "f", bytes: Self.file(names.map { ($0, [1, 2]) })))
        #expect(floats.bytesByType == [.f32: 16])
        #expect(try floats.memoryBytes(declarations) == 16)
        let halves = try BackboneWeights(file: Safetensors(path: "f", bytes: Self.halves(names)))
        #expect(halves.bytesByType == [.f16: 8])
        #expect(try halves.memoryBytes(declarations) == 8 + 8)
    }

    private static func halves(_ names: [String]) -> [UInt8] {
        let entries = names.enumerated().map { index, name in
            #""\#(name)":{"dtype":"F16","shape":[2],"data_offsets":[\#(4 * index),\#(4 * index + 4)]}"#
        }
        let header = Array("{\(entries.joined(separator: ","))}".utf8)
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
            + [UInt8](repeating: 0, count: 4 * names.count)
    }

    @Test func `an archive of torch serves where there is nothing else`() throws {
        #expect(self.problem { try BackboneWeights(folder: self.folder.path) }.contains("holds no model.safetensors"))
        try self.write("pytorch_model.bin", TorchArchives.golden("half"))
        let declaration = ParameterDeclaration(
            name: "encoder.layer.0.output.LayerNorm.weight",
            shape: [4],
            source: .backbone,
            isTrainable: true
        )
        let store = try ParameterStore([declaration], backbone: try BackboneWeights(folder: self.folder.path), seed: 0)
        #expect(Array(store.values.view[0]).prefix(3) == [1, -0.0, 65504])
        #expect(try BackboneWeights(folder: self.folder.path).form == .torchArchive)
    }
}
