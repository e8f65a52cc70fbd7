public import Tensors

/// Normal numbers, the same for the same seed.
public func randomMatrix(rows: Int, columns: Int, seed: UInt64, deviation: Double = 1) -> Matrix {
    let matrix = Matrix(rows: rows, columns: columns)
    let values = UnsafeMutableBufferPointer(start: matrix.mutableView.base, count: rows * columns)
    RandomStream(seed: seed, stream: 7).normal(deviation: deviation, into: values)
    return matrix
}

/// The gradient of a loss by central differences: each element is moved by ±step and put back.
public func numericalGradient(of values: MutableMatrixView, step: Float = 1e-2, _ loss: () -> Double) -> Matrix {
    let gradient = Matrix(rows: values.rows, columns: values.columns)
    for row in 0..<values.rows {
        for column in 0..<values.columns {
            let value = values[row, column]
            values[row, column] = value + step
            let above = loss()
            values[row, column] = value - step
            let below = loss()
            values[row, column] = value
            gradient[row, column] = Float((above - below) / (2 * Double(step)))
        }
    }
    return gradient
}

/// The largest difference, relative to the largest expected value.
public func maximumRelativeError(_ actual: borrowing Matrix, _ expected: borrowing Matrix) -> Float {
    precondition(actual.rows == expected.rows && actual.columns == expected.columns, "shapes differ")
    let scale = expected.view.values.map(abs).max() ?? 0
    let difference = zip(actual.view.values, expected.view.values).map { abs($0 - $1) }.max() ?? 0
    return difference / max(scale, .leastNormalMagnitude)
}

/// Σ y · weight, in double precision: a loss whose gradient with respect to `y` is `weight`.
public func dot(_ y: MatrixView, _ weight: MatrixView) -> Double {
    zip(y.values, weight.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}
