import Simulation
import Testing

@Suite struct PastBugsTests {
    /// Goal: a bug that was found in a simulated cluster stays away. Method: the seeds that met it before it was mended;
    /// one joins them with every bug that is found, and keeps its place for as long as it would meet the bug again.
    @Test(
        arguments: [
            ("a failure whose settlement was lost on the way was charged a second time", 97),
            ("losses that kept progress had cleared were back after a restart", 1),
            ("a commit that stood in the system's cache alone was built on, and the file was damaged", 183),
            ("after a sync that failed the log was copied at the store's end, came back and undid half of it", 5389),
            ("after a read error SQLite kept no log and said that it did: an acknowledged commit was lost", 347),
            ("a best checkpoint older than another attempt's was thrown away and asked for, for ever", 120),
        ] as [(String, UInt64)]
    )
    func `a bug of the past stays away`(bug: String, seed: UInt64) {
        let run = SimulatedRun(seed: seed)
        #expect(run.violation == nil, "\(bug): seed \(seed)")
    }
}
