import Simulation
import Testing

@Suite struct PastBugsTests {
    /// Goal: a bug that was found in a simulated cluster stays away. Method: the seeds that met it before it was mended;
    /// one joins them with every bug that is found, and keeps its place for as long as it would meet the bug again.
    @Test(
        arguments: [
            ("a failure whose settlement was lost on the way was charged a second time", 2130),
            ("losses that kept progress had cleared were back after a restart", 2002),
            ("a worker was granted a shard in the turn of its ban, when the disk had room again", 4_003_934),
            ("a worker was granted what another had held that was banned in the same turn", 4_006_049),
            ("a checkpoint whose name was not on the disk yet was taken for stored, and gone with the power", 2119),
            ("a commit that stood in the system's cache alone was built on", 5_000_147),
            ("the log was copied into the store after a sync of it had failed", 6_001_927),
            ("an accepted result's older best checkpoint was thrown away", 5_000_365),
        ] as [(String, UInt64)]
    )
    func `a bug of the past stays away`(bug: String, seed: UInt64) {
        let run = SimulatedRun(seed: seed)
        #expect(run.violation == nil, "\(bug): seed \(seed)")
    }
}
