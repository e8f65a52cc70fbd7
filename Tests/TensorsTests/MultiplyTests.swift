import Tensors
import TestSupport
import Testing

@Suite struct MultiplyTests {
    /// Goal: all forms of the product, on whole matrices and on parts of larger ones.
    @Test(arguments: [(1, 1, 1), (3, 5, 2), (17, 33, 9)])
    func `products agree with their definition`(m: Int, k: Int, n: Int) {
        let a = randomMatrix(rows: m + 2, columns: k + 3, seed: 1)
        let aPart = a.view.rows(1..<m + 1).columns(2..<k + 2)
        let b = randomMatrix(rows: k, columns: n, seed: 2)
        let c = randomMatrix(rows: m, columns: n, seed: 3)
        let before = c.view.values
        multiply(aPart, b.view, scale: 2, adding: true, into: c.mutableView)
        let transposedA = Matrix(rows: k, columns: m)
        let transposedB = Matrix(rows: n, columns: k)
        for i in 0..<k { for j in 0..<m { transposedA[i, j] = aPart[j, i] } }
        for i in 0..<n { for j in 0..<k { transposedB[i, j] = b[j, i] } }
        let first = Matrix(rows: m, columns: n)
        let second = Matrix(rows: m, columns: n)
        multiply(transposedA.view, b.view, transposing: .first, into: first.mutableView)
        multiply(aPart, transposedB.view, transposing: .second, into: second.mutableView)
        for i in 0..<m {
            for j in 0..<n {
                let expected = (0..<k).reduce(0.0) { $0 + Double(aPart[i, $1]) * Double(b[$1, j]) }
                #expect(abs(Double(c[i, j]) - (Double(before[i * n + j]) + 2 * expected)) < 1e-4)
                #expect(abs(Double(first[i, j]) - expected) < 1e-4)
                #expect(abs(Double(second[i, j]) - expected) < 1e-4)
            }
        }
    }
}
