import Layers
import Tensors
import TestSupport
import Testing

@Suite struct LayerNormTests {
    /// Goal: every analytic gradient agrees with finite differences.
    /// Method: the loss is `dot(y, dy)` for a fixed random `dy`, so `dy` is exactly the gradient at `y`.
    @Test(arguments: [(rows: 1, width: 2), (rows: 3, width: 5), (rows: 2, width: 33)])
    func `backward matches finite differences`(rows: Int, width: Int) {
        let x = randomMatrix(rows: rows, columns: width, seed: 1)
        let dy = randomMatrix(rows: rows, columns: width, seed: 2)
        let scale = randomMatrix(rows: 1, columns: width, seed: 3)
        let shift = randomMatrix(rows: 1, columns: width, seed: 4)
        let dScale = Matrix(rows: 1, columns: width)
        let dShift = Matrix(rows: 1, columns: width)
        let norm = LayerNorm(
            scale: Parameter(name: "scale", value: scale.view, gradient: dScale.mutableView),
            shift: Parameter(name: "shift", value: shift.view, gradient: dShift.mutableView),
            epsilon: 0.1
        )
        let arena = Arena()
        let y = Matrix(rows: rows, columns: width)
        func loss() -> Double {
            norm.forward(LayerNorm.Saved(x: x.view, arena: arena), into: y.mutableView, rows: 0..<rows)
            return dot(y.view, dy.view)
        }
        let saved = LayerNorm.Saved(x: x.view, arena: arena)
        norm.forward(saved, into: y.mutableView, rows: 0..<rows)
        let dx = Matrix(rows: rows, columns: width)
        norm.backward(dy.view, saved: saved, dx: dx.mutableView, rows: 0..<rows)
        norm.accumulateGradients(dy.view, saved: saved, team: Team(threads: 2))
        #expect(maximumRelativeError(dx, numericalGradient(of: x.mutableView, loss)) < 5e-3)
        #expect(maximumRelativeError(dScale, numericalGradient(of: scale.mutableView, loss)) < 5e-3)
        #expect(maximumRelativeError(dShift, numericalGradient(of: shift.mutableView, loss)) < 5e-3)
    }
}
