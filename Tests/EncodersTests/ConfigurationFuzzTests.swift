import Foundation
import TestSupport
import Testing

@testable import Encoders

@Suite struct ConfigurationFuzzTests {
    /// Goal: whatever a `config.json` says, it is refused with a ``BackboneError`` or describes an encoder whose
    /// parameters can be counted.
    @Test(.timeLimit(.minutes(60))) func `damaged configurations`() async throws {
        let names = ["", "/roberta", "/deberta-v3", "/deberta-convolution"]
        let valid = try names.map {
            [UInt8](try Data(contentsOf: URL(filePath: GoldenBERT.folder + $0 + "/config.json")))
        }
        let report = try await Fuzzing("config.json").run(valid) { input, _ in
            do {
                let configuration = try EncoderConfiguration(path: "f", bytes: input)
                precondition(configuration.positions > 0 && configuration.hidden % configuration.heads == 0)
                precondition(configuration.paddingID < configuration.vocabulary)
                // Names take memory that sixteen bits of a number do not show.
                guard configuration.layers <= 4 else { return .accepted }
                let declarations =
                    configuration.declarations { _ in true } + configuration.headDeclarations(.span) { _, _ in true }
                precondition(declarations.allSatisfy { $0.count > 0 })
                return .accepted
            } catch is BackboneError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
