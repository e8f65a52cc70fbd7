internal import Layers
internal import Tensors

/// The hidden states of one batch in front of a block, `[tokens, hidden]`: kept by the first forward pass that is given
/// them, and taken up by later ones, which begin at that block. For networks that differ from it on only.
public final class HiddenStates {
    public let block: Int
    private var values: [Float] = []

    public init(before block: Int) { self.block = block }

    /// - Returns: the block to begin at; nil where nothing has been kept yet.
    func restore(into hidden: MutableMatrixView) -> Int? {
        guard !self.values.isEmpty else { return nil }
        precondition(self.values.count == hidden.rows * hidden.columns, "hidden states of another batch")
        _ = UnsafeMutableBufferPointer(start: hidden.base, count: self.values.count).update(from: self.values)
        return self.block
    }

    func keep(_ hidden: MatrixView) { self.values = hidden.values }
}
