import Layers
import Tensors
import TestSupport
import Testing

@Suite struct LinearTests {
    @Test(arguments: [(tokens: 1, input: 3, output: 2), (tokens: 40, input: 7, output: 5)])
    func `backward matches finite differences`(tokens: Int, input: Int, output: Int) {
        let x = randomMatrix(rows: tokens, columns: input, seed: 1)
        let dy = randomMatrix(rows: tokens, columns: output, seed: 2)
        let w = randomMatrix(rows: output, columns: input, seed: 3)
        let b = randomMatrix(rows: 1, columns: output, seed: 4)
        let dW = Matrix(rows: output, columns: input)
        let dB = Matrix(rows: 1, columns: output)
        let linear = Linear(
            weight: Parameter(name: "w", value: w.view, gradient: dW.mutableView),
            bias: Parameter(name: "b", value: b.view, gradient: dB.mutableView)
        )
        let pass = Pass(team: Team(threads: 2), arena: Arena())
        let y = Matrix(rows: tokens, columns: output)
        let dx = Matrix(rows: tokens, columns: input)
        func loss() -> Double {
            linear.forward(x.view, into: y.mutableView, pass: pass)
            return dot(y.view, dy.view)
        }
        let saved = linear.forward(x.view, into: y.mutableView, pass: pass)
        linear.backward(dy.view, saved: saved, dx: dx.mutableView, pass: pass)
        #expect(maximumRelativeError(dx, numericalGradient(of: x.mutableView, loss)) < 5e-3)
        #expect(maximumRelativeError(dW, numericalGradient(of: w.mutableView, loss)) < 5e-3)
        #expect(maximumRelativeError(dB, numericalGradient(of: b.mutableView, loss)) < 5e-3)
    }

    @Test func `gradients add up and dx is added to where asked`() {
        let x = randomMatrix(rows: 3, columns: 4, seed: 1)
        let dy = randomMatrix(rows: 3, columns: 2, seed: 2)
        let w = randomMatrix(rows: 2, columns: 4, seed: 3)
        let b = Matrix(rows: 1, columns: 2)
        let dW = Matrix(rows: 2, columns: 4)
        let linear = Linear(
            weight: Parameter(name: "w", value: w.view, gradient: dW.mutableView),
            bias: Parameter(name: "b", value: b.view)
        )
        let pass = Pass(team: Team(threads: 1), arena: Arena())
        let y = Matrix(rows: 3, columns: 2)
        let dx = Matrix(rows: 3, columns: 4)
        let saved = linear.forward(x.view, into: y.mutableView, pass: pass)
        linear.backward(dy.view, saved: saved, dx: dx.mutableView, pass: pass)
        let once = (dW.view.values, dx.view.values)
        linear.backward(dy.view, saved: saved, dx: dx.mutableView, adding: true, pass: pass)
        for (twice, once) in zip(dW.view.values + dx.view.values, once.0 + once.1) {
            #expect(abs(twice - 2 * once) < 1e-5)
        }
    }
}
