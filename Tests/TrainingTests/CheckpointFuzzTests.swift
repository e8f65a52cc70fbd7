import TestSupport
import Testing
import Training

@Suite struct CheckpointFuzzTests {
    private struct Problem: Error { let description: String }

    /// Goal: a damaged container is refused with a ``CheckpointError``, or gives as many bytes as it declares and no
    /// more than the limit.
    @Test(.timeLimit(.minutes(60))) func `damaged checkpoints`() async throws {
        let contents: [[UInt8]] = [
            [], [1, 2, 3], (0..<999).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) },
            [UInt8](repeating: 0, count: 100_000),
        ]
        let valid = try contents.map { try CheckpointContainer.pack($0) }
        let limit = 50_000
        let report = try await Fuzzing("checkpoints").run(valid) { input, _ in
            do {
                let raw = try CheckpointContainer.unpack(input, limitBytes: limit)
                guard raw.count <= limit else { throw Problem(description: "\(raw.count) bytes") }
                return .accepted
            } catch is CheckpointError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
