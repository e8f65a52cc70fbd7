import Fetching
import Foundation
import Testing

@testable import quintet

@Suite struct SweepFoldersTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "folders-\(UUID().uuidString)")

    /// Goal: what would stop every trainer is told before the first one starts, however the weights are stored.
    @Test func `a backbone's weights of every form are checked before the start`() async throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let folders = SweepFolders(cache: Cache(folder: self.folder))
        let place = try await Fetcher(cache: folders.cache, catalogue: .quintet).fetch("tiny-random")
        func problem() async -> String {
            do {
                _ = try await folders.backbone(place.path)
                return "accepted"
            } catch { return "\(error)" }
        }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: place.appending(path: name))
        }
        #expect(await problem() == "accepted")
        let (whole, part) = (place.appending(path: "model.safetensors"), place.appending(path: "a-1.safetensors"))
        try FileManager.default.moveItem(at: whole, to: part)
        #expect(await problem().contains("holds no model.safetensors"))
        try write("pytorch_model.bin", "no archive")
        #expect(await problem().contains("pytorch_model.bin: "))
        try write("model.safetensors.index.json", #"{"weight_map":{"a":"a-1.safetensors"}}"#)
        #expect(await problem() == "accepted")
        try write("model.safetensors.index.json", #"{"weight_map":{"a":"a-1.safetensors","b":"a-2.safetensors"}}"#)
        #expect(await problem().contains("a-2.safetensors: "))
        try FileManager.default.moveItem(at: part, to: whole)
        let configuration = try String(contentsOf: place.appending(path: "config.json"), encoding: .utf8)
        try write("config.json", configuration.replacing("\"num_hidden_layers\": 2", with: "\"num_hidden_layers\": 3"))
        #expect(await problem().contains("has no tensor \"encoder.layer.2."))
    }
}
