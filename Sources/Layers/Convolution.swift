public import Tensors

/// A convolution along each sequence, with zeros beyond its ends.
///
///     y[t] = b + Σ_o W[·, ·, o] x[t + o - width / 2]        for o in 0..<width
///
/// Shapes: `x` is `[tokens, in]`, packed; `y` has a row for each token that is asked for, `[rows, out]`; `W` is
/// `[out, in · width]`, PyTorch's `[out, in, width]`. It is one product with the neighbourhoods `[rows, in · width]`.
public struct Convolution: Sendable {
    public let linear: Linear
    public let width: Int

    /// - Precondition: the width is odd.
    public init(_ linear: Linear, width: Int) {
        precondition(width % 2 == 1, "a convolution of the width \(width)")
        self.linear = linear
        self.width = width
    }

    /// What the backward pass needs.
    public struct Saved {
        let linear: Linear.Saved
        let tokens: [Int]
    }

    /// - Parameters:
    ///   - tokens: `[rows]`, ascending: for which tokens `y` is computed.
    ///   - finish: is called for each slab of rows once these are done.
    public func forward(
        _ x: MatrixView,
        tokens: [Int],
        batch: PackedBatch,
        into y: MutableMatrixView,
        pass: Pass,
        finish: (_ rows: Range<Int>) -> Void
    ) -> Saved {
        let near = pass.arena.zeros(rows: tokens.count, columns: x.columns * self.width)
        self.forEachNeighbour(tokens, batch) { row, neighbour, offset in
            let (source, target) = (x[neighbour], near[row])
            for i in source.indices { target[i &* self.width &+ offset] = source[i] }
        }
        return Saved(linear: self.linear.forward(near.view, into: y, pass: pass, finish: finish), tokens: tokens)
    }

    /// Adds to the gradients of what is trainable and to `dx` where it is asked for.
    public func backward(
        _ dy: MatrixView,
        saved: Saved,
        batch: PackedBatch,
        addingTo dx: MutableMatrixView?,
        pass: Pass
    ) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        let dNear = dx.map { pass.arena.matrix(rows: dy.rows, columns: $0.columns * self.width) }
        self.linear.backward(dy, saved: saved.linear, dx: dNear, pass: pass)
        guard let dx, let dNear else { return }
        self.forEachNeighbour(saved.tokens, batch) { row, neighbour, offset in
            let (source, target) = (dNear[row], dx[neighbour])
            for i in target.indices { target[i] += source[i &* self.width &+ offset] }
        }
    }

    /// Calls `body` for each token of a neighbourhood that its sequence has, with the token's place in it.
    private func forEachNeighbour(_ tokens: [Int], _ batch: PackedBatch, _ body: (Int, Int, Int) -> Void) {
        var sequence = 0
        for (row, token) in tokens.enumerated() {
            while !batch.range(of: sequence).contains(token) { sequence += 1 }
            for offset in 0..<self.width {
                let neighbour = token + offset - self.width / 2
                if batch.range(of: sequence).contains(neighbour) { body(row, neighbour, offset) }
            }
        }
    }
}
