import Coordination
import Digests
import Sweeps
import TestSupport
import Testing

@testable import CoordinatorShell

@Suite struct LeaseTimesTests {
    private let lease = Lease(token: LeaseToken(epoch: 1, counter: 1), key: SHA256.hash("shard"))
    private var times = LeaseTimes()

    init() {
        self.times.note("w", threads: 2)
        _ = self.times.note(.grant(self.lease, to: "w", from: Checkpoints()), at: Instant(milliseconds: 1000))
    }

    private func finished(_ elapsedSeconds: Double?) -> Coordinator.Directive {
        var result = exampleResult(key: self.lease.key)
        result.elapsedSeconds = elapsedSeconds
        return .record(.finished(self.lease, by: "w", result, checkpoints: Checkpoints()))
    }

    @Test(arguments: [(3.5, 7.0), (nil, 0), (1e300, 8), (-1, 0)])
    mutating func `an accepted result's training counts, for no longer than its lease`(
        elapsedSeconds: Double?,
        trainedSeconds: Double
    ) {
        let time = self.times.note(self.finished(elapsedSeconds), at: Instant(milliseconds: 5000))
        #expect(time?.leasedSeconds == 8)
        #expect(time?.trainedSeconds == trainedSeconds)
        let again = self.times.note(.settle(self.lease, with: "w"), at: Instant(milliseconds: 5000))
        #expect(again == nil)
    }

    @Test mutating func `a lease that ends without a result counts as lost`() {
        let time = self.times.note(.record(.released(self.lease)), at: Instant(milliseconds: 2500))
        #expect(time?.leasedSeconds == 3)
        #expect(time?.trainedSeconds == 0)
    }

    @Test func `a lease whose beginning was not seen is left out`() {
        var others = LeaseTimes()
        let time = others.note(self.finished(1), at: Instant(milliseconds: 5000))
        #expect(time == nil)
    }
}
