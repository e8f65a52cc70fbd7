import Encoders
import Foundation
import Sweeps
import Tensors
import Testing
import Training

@Suite struct AdamWTests {
    private func hyperparameters(_ settings: Settings) throws -> Hyperparameters {
        Hyperparameters(try MethodDescription.named("full").resolve(settings))
    }

    private func store() throws -> ParameterStore {
        let writer = SafetensorsWriter()
        let empty = try BackboneWeights(file: try Safetensors(path: "in memory", bytes: try writer.bytes()))
        return try ParameterStore(
            [
                ParameterDeclaration(name: "w", shape: [2, 3], source: .normal(1), isTrainable: true),
                ParameterDeclaration(name: "b", shape: [3], source: .normal(1), isTrainable: true),
            ],
            backbone: empty,
            seed: 1
        )
    }

    /// Goal: both forms of the update are those of their definitions (section 2.1 of the methods' specification).
    /// Method: five steps beside the formulas in double precision; the matrix decays, the vector does not.
    @Test(arguments: Hyperparameters.Optimizer.allCases, [0, 0.5])
    func `five steps agree with the formulas`(form: Hyperparameters.Optimizer, clip: Double) throws {
        let store = try self.store()
        let settings = try self.hyperparameters([
            "optimizer": .text(form.rawValue), "weightDecay": .number(0.1), "gradientClip": .number(clip),
            "adamEpsilon": .number(1e-3),
        ])
        let optimizer = AdamW(count: 9, settings)
        var p = store.values.view.values.map(Double.init)
        var m = [Double](repeating: 0, count: 9)
        var v = m
        let (rate, decay, epsilon) = (0.05, 0.1, 1e-3)
        for step in 1...5 {
            let gradients = (0..<9).map { sin(Double(step * 9 + $0)) }
            for i in 0..<9 { store.gradients[0, i] = Float(gradients[i]) }
            let norm = optimizer.update(store, step: step, learningRate: rate, team: Team(threads: 1))
            let expected = gradients.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(norm - expected) < 1e-5)
            let factor = clip == 0 ? 1 : min(1, clip / (expected + 1e-6))
            let (c1, c2) = (1 - pow(0.9, Double(step)), 1 - pow(0.999, Double(step)))
            for i in 0..<9 {
                let g = gradients[i] * factor
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.999 * v[i] + 0.001 * g * g
                let wd = i < 6 ? decay : 0
                switch form {
                case .adamW: p[i] = p[i] * (1 - rate * wd) - rate * (m[i] / c1) / ((v[i] / c2).squareRoot() + epsilon)
                case .adamWTransformers:
                    p[i] -= rate * c2.squareRoot() / c1 * m[i] / (v[i].squareRoot() + epsilon)
                    p[i] -= rate * wd * p[i]
                }
                #expect(abs(Double(store.values[0, i]) - p[i]) < 2e-6, "step \(step), element \(i)")
                #expect(store.gradients[0, i] == 0)
            }
        }
    }
}
