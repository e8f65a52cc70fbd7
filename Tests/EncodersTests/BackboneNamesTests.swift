import Encoders
import Layers
import Tensors
import Testing

@Suite struct BackboneNamesTests {
    private let folder = GoldenBERT.folder + "/deberta-v3"

    /// The golden DeBERTa with its tensors under other names.
    private func weights(_ rename: (String) -> String, adding extra: [String] = []) throws -> BackboneWeights {
        let file = try Safetensors(path: self.folder + "/model.safetensors")
        var writer = SafetensorsWriter()
        for (name, tensor) in file.tensors { writer.add(rename(name), shape: tensor.shape, try file.floats(name)) }
        for name in extra { [Float(1)].withUnsafeBufferPointer { writer.add(name, shape: [1], $0) } }
        return try BackboneWeights(file: try Safetensors(path: "in memory", bytes: try writer.bytes()))
    }

    @Test func `tensors are found without a prefix and with TensorFlow's names`() throws {
        let configuration = try EncoderConfiguration(folder: self.folder)
        let declarations = configuration.declarations { _ in false }
        let expected = try ParameterStore(declarations, backbone: try self.weights { $0 }, seed: 0)
        let weights = try self.weights(
            {
                var name = $0.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
                name = name.replacing("LayerNorm.bias", with: "LayerNorm.beta")
                return name.hasPrefix("deberta.") ? String(name.dropFirst("deberta.".count)) : name
            },
            adding: ["mask_predictions.dense.weight", "embeddings.position_embeddings.weight"]
        )
        let skipped = try weights.check(against: declarations)
        #expect(skipped.contains("mask_predictions.dense.weight") && skipped.contains("pooler.dense.bias"))
        let store = try ParameterStore(declarations, backbone: weights, seed: 0)
        for declaration in declarations {
            let name = declaration.name
            #expect(store[name].value.values == expected[name].value.values, "\(name)")
        }
    }

    @Test func `a tensor that the configuration does not describe is named`() throws {
        let declarations = try EncoderConfiguration(folder: self.folder).declarations { _ in false }
        let weights = try self.weights({ $0 }, adding: ["deberta.encoder.conv.conv.bias"])
        let error = #expect(throws: BackboneError.self) { try weights.check(against: declarations) }
        #expect(error?.description.contains("deberta.encoder.conv.conv.bias") == true)
    }

    @Test func `published names are those of the file`() throws {
        for name in GoldenBackbone.names {
            let golden = try GoldenBackbone(name)
            let file = try Safetensors(path: GoldenBERT.folder + "/" + name + "/model.safetensors")
            let published = golden.store.declarations.map { golden.configuration.publishedName($0.name) }
            #expect(Set(published) == Set(file.tensors.keys), "\(name)")
        }
    }
}
