import Digests
import Sweeps
import Tensors
import Testing

@Suite struct NumericsTests {
    /// The digest of the scored parameters of one small shard, by kernel class, for ``numericsVersion`` 1.
    private static let pinned = [
        "OpenBLAS 0.3.21 Cooperlake x86-64-v3": "63c65c985ce42f381315922966f47a7764593e85bc897305bd5a26fe01e1efc4",
        "OpenBLAS 0.3.21 Haswell x86-64-v3": "ea9a4c1602afa30b3be7bf5b93a70a224d658e6a53e2b6fb96b4d4a550924014",
    ]

    static let isKnown = pinned[BLAS.kernelClass] != nil

    /// Goal: nobody changes numbers without raising `numericsVersion`, which is part of every shard's key.
    /// When this fails and the change is meant: raise the version, and pin the new digests.
    @Test(.enabled(if: isKnown, "no digest is pinned for this machine's kernel class"))
    func `a small shard's parameters have the pinned digest`() throws {
        #expect(numericsVersion == 1)
        let shard = try SmallShard()
        let (result, _) = try shard.train(shard.order(method: "full"), name: "pinned")
        #expect(result.parametersDigest.description == Self.pinned[BLAS.kernelClass], "on \(BLAS.kernelClass)")
    }
}
