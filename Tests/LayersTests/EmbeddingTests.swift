import Layers
import Tensors
import TestSupport
import Testing

@Suite struct EmbeddingTests {
    @Test func `backward matches finite differences, repeated entries included`() {
        let table = randomMatrix(rows: 5, columns: 3, seed: 1)
        let weight = randomMatrix(rows: 4, columns: 3, seed: 2)
        let gradient = Matrix(rows: 5, columns: 3)
        let embedding = Embedding(table: Parameter(name: "t", value: table.view, gradient: gradient.mutableView))
        let index = [2, 0, 2, 4]
        func loss() -> Double {
            let y = Matrix(rows: 4, columns: 3)
            embedding.forward(index, addingTo: y.mutableView, rows: 0..<4)
            return dot(y.view, weight.view)
        }
        embedding.backward(weight.view, index: index, team: Team(threads: 2))
        #expect(maximumRelativeError(gradient, numericalGradient(of: table.mutableView, loss)) < 5e-3)
    }
}
