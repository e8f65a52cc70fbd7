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

    @Test func `the gradient of choices among candidates matches finite differences`() {
        let logits = randomMatrix(rows: 7, columns: 1, seed: 3)
        let gradient = Matrix(rows: 7, columns: 1)
        let right = [[1], [0, 2], []]
        func loss(_ dLogits: MutableMatrixView? = nil) -> Double {
            Loss.choice(logits.view, sizes: [2, 3, 2], right: right, examples: 3, dLogits: dLogits) / 3
        }
        _ = loss(gradient.mutableView)
        #expect(maximumRelativeError(gradient, numericalGradient(of: logits.mutableView) { loss() }) < 5e-3)
        #expect(gradient.view[5][0] == 0 && gradient.view[6][0] == 0)
    }

    @Test func `the gradient of spans matches finite differences`() {
        let logits = randomMatrix(rows: 6, columns: 2, seed: 4)
        let gradient = Matrix(rows: 6, columns: 2)
        func loss(_ dLogits: MutableMatrixView? = nil) -> Double {
            Loss.span(logits.view, offsets: [0, 4, 6], spans: [1...3, 0...0], examples: 2, dLogits: dLogits) / 2
        }
        _ = loss(gradient.mutableView)
        #expect(maximumRelativeError(gradient, numericalGradient(of: logits.mutableView) { loss() }) < 5e-3)
    }

    /// Goal: right candidates far below a wrong one still have a loss and a share of the gradient each.
    @Test func `right candidates far below the best are told apart`() {
        let logits = Matrix(rows: 3, columns: 1, [2000, 0, -1])
        let gradient = Matrix(rows: 3, columns: 1)
        let loss = Loss.choice(logits.view, sizes: [3], right: [[1, 2]], examples: 1, dLogits: gradient.mutableView)
        #expect(abs(loss - (2000 - 0.313262)) < 1e-3)
        #expect(gradient.view.values.map { ($0 * 1000).rounded() } == [1000, -731, -269])
    }

    @Test func `large logits do not overflow`() {
        let logits = Matrix(rows: 1, columns: 2, [1000, -1000])
        #expect(Loss.crossEntropy(logits.view, labels: [0], examples: 1, dLogits: nil) == 0)
        #expect(Loss.crossEntropy(logits.view, labels: [1], examples: 1, dLogits: nil) == 2000)
    }
}
