import Digests
import Sweeps
import Tensors
import Testing

@Suite struct NumericsTests {
    /// The digest of the scored parameters of one small shard, by kernel class, for ``numericsVersion`` 3.
    private static let pinned = [
        "OpenBLAS 0.3.21 Cooperlake x86-64-v3": "03605402d84526dff50ec4bdcf7eb2c77832ce8b38bf4f44f66bf3c963e05f4a",
        "OpenBLAS 0.3.21 Haswell x86-64-v3": "ca29c761879d65a4c18fed59e19f5206343032a3566f3924e9fa72794ec9db55",
    ]

    static let isKnown = pinned[BLAS.kernelClass] != nil

    /// Goal: nobody changes numbers without raising `numericsVersion`, which is part of every shard's key.
    /// When this fails and the change is meant: raise the version, and pin the new digests.
    @Test(.enabled(if: isKnown, "no digest is pinned for this machine's kernel class"))
    func `a small shard's parameters have the pinned digest`() throws {
        #expect(numericsVersion == 3)
        let shard = try SmallShard()
        let (result, _) = try shard.train(shard.order(method: "full"), name: "pinned")
        #expect(result.parametersDigest.description == Self.pinned[BLAS.kernelClass], "on \(BLAS.kernelClass)")
    }
}
