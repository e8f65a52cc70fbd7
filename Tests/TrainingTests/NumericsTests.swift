import Digests
import Sweeps
import Tensors
import Testing

@Suite struct NumericsTests {
    /// The digest of the scored parameters of one small shard, by kernel class, for ``numericsVersion`` 2.
    private static let pinned = [
        "OpenBLAS 0.3.21 Cooperlake x86-64-v3": "5d9838896b2adcc8c1eab47ccac956a3ed7d958156bd22765a55997b7899252b",
        "OpenBLAS 0.3.21 Haswell x86-64-v3": "394c6b5291995140d1d044f9c5e6a38dbde00376f6ea34e0034ed6c898afcd26",
    ]

    static let isKnown = pinned[BLAS.kernelClass] != nil

    /// Goal: nobody changes numbers without raising `numericsVersion`, which is part of every shard's key.
    /// When this fails and the change is meant: raise the version, and pin the new digests.
    @Test(.enabled(if: isKnown, "no digest is pinned for this machine's kernel class"))
    func `a small shard's parameters have the pinned digest`() throws {
        #expect(numericsVersion == 2)
        let shard = try SmallShard()
        let (result, _) = try shard.train(shard.order(method: "full"), name: "pinned")
        #expect(result.parametersDigest.description == Self.pinned[BLAS.kernelClass], "on \(BLAS.kernelClass)")
    }
}
