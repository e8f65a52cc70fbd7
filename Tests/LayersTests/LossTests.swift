import Layers
import Tensors
import TestSupport
import Testing

@Suite struct LossTests {
    @Test func `cross-entropy's gradient matches finite differences`() {
        let logits = randomMatrix(rows: 4, columns: 3, seed: 1)
        let gradient = Matrix(rows: 4, columns: 3)
        let labels = [0, 2, 1, 2]
        func loss() -> Double { Loss.crossEntropy(logits.view, labels: labels, examples: 8, dLogits: nil) / 8 }
        _ = Loss.crossEntropy(logits.view, labels: labels, examples: 8, dLogits: gradient.mutableView)
        #expect(maximumRelativeError(gradient, numericalGradient(of: logits.mutableView, loss)) < 5e-3)
    }

    @Test func `the squared error's gradient matches finite differences`() {
        let scores = randomMatrix(rows: 4, columns: 1, seed: 1)
        let gradient = Matrix(rows: 4, columns: 1)
        let labels: [Float] = [0, 2.5, 5, 1]
        func loss() -> Double { Loss.squaredError(scores.view, labels: labels, examples: 4, dPredictions: nil) / 4 }
        _ = Loss.squaredError(scores.view, labels: labels, examples: 4, dPredictions: gradient.mutableView)
        #expect(maximumRelativeError(gradient, numericalGradient(of: scores.mutableView, loss)) < 5e-3)
    }

    @Test func `large logits do not overflow`() {
        let logits = Matrix(rows: 1, columns: 2, [1000, -1000])
        #expect(Loss.crossEntropy(logits.view, labels: [0], examples: 1, dLogits: nil) == 0)
        #expect(Loss.crossEntropy(logits.view, labels: [1], examples: 1, dLogits: nil) == 2000)
    }
}
