public import Tensors

/// Layer normalisation over the columns of each row (Ba et al. 2016, arXiv:1607.06450).
///
///     norm = (x - mean(x)) * rstd(x)        rstd = 1 / sqrt(variance + epsilon)
///     y    = norm * scale + shift
///
/// Shapes: `x`, `y` and their gradients are `[rows, width]`; `scale` and `shift` are `[1, width]`.
public struct LayerNorm: Sendable {
    public var scale: Parameter
    public var shift: Parameter
    public let epsilon: Float

    public init(scale: Parameter, shift: Parameter, epsilon: Float) {
        self.scale = scale
        self.shift = shift
        self.epsilon = epsilon
    }

    /// What the backward pass needs: the input, and per row its mean and rstd.
    public struct Saved {
        let x: MatrixView
        let moments: MutableMatrixView

        public init(x: MatrixView, arena: Arena) {
            self.x = x
            self.moments = arena.matrix(rows: x.rows, columns: 2)
        }
    }

    public var isTrainable: Bool { self.scale.isTrainable || self.shift.isTrainable }

    /// Normalises some rows of `saved.x`.
    public func forward(_ saved: Saved, into y: MutableMatrixView, rows: Range<Int>) {
        let (scale, shift, width) = (self.scale.row, self.shift.row, Float(y.columns))
        for row in rows {
            let (x, y) = (saved.x[row], y[row])
            let mean = Sums.sum(x) / width
            let rstd = 1 / (Sums.squaredDeviation(x, from: mean) / width + self.epsilon).squareRoot()
            (saved.moments[row][0], saved.moments[row][1]) = (mean, rstd)
            for i in y.indices { y[i] = ((x[i] - mean) * rstd * scale[i]) + shift[i] }
        }
    }

    /// Writes the input's gradient for some rows.
    ///
    /// With `g = dy * scale`, the row's input gradient is `rstd * (g - mean(g) - norm * mean(g * norm))`:
    /// the two means are what flows back through the row's own mean and deviation.
    public func backward(_ dy: MatrixView, saved: Saved, dx: MutableMatrixView, rows: Range<Int>) {
        let (scale, width) = (self.scale.row, Float(dy.columns))
        for row in rows {
            let (dy, x, dx) = (dy[row], saved.x[row], dx[row])
            let (mean, rstd) = (saved.moments[row][0], saved.moments[row][1])
            let gMean = Sums.dot(dy, scale) / width
            let slope = Sums.dot(dy, scale, x, minus: mean) * rstd * rstd / width
            for i in dx.indices { dx[i] = rstd * (dy[i] * scale[i] - gMean - (x[i] - mean) * slope) }
        }
    }

    /// Adds to the gradients of what is trainable, over all rows.
    public func accumulateGradients(_ dy: MatrixView, saved: Saved, team: Team) {
        if let dShift = self.shift.gradient { accumulateColumnSums(dy, into: dShift, team: team) }
        guard let dScale = self.scale.gradient else { return }
        team.forEachSlab(ofColumns: dy.columns) { columns in
            let (dyPart, xPart, sums) = (dy.columns(columns), saved.x.columns(columns), dScale.columns(columns)[0])
            for row in 0..<dy.rows {
                let (mean, rstd) = (saved.moments[row][0], saved.moments[row][1])
                let (dy, x) = (dyPart[row], xPart[row])
                for i in sums.indices { sums[i] += dy[i] * ((x[i] - mean) * rstd) }
            }
        }
    }
}
