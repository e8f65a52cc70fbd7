import Foundation
import Testing

@Suite struct ClusterTests {
    /// Goal: whatever workers, network and coordinator do, every shard ends exactly once, nothing that was acknowledged
    /// is lost, and once the faults end everything comes to its end.
    /// Method: both state machines over a seeded network with cut connections, killed workers, trainers and
    /// coordinators and a disk that forgets what need not be durable; a second result for a key stops the run. The
    /// number of seeds is what a debug build does in some seconds; `QUINTET_SEEDS` asks for more.
    @Test func `every shard ends exactly once in seeded runs`() {
        var seen: [String: Int] = [:]
        let seeds = ProcessInfo.processInfo.environment["QUINTET_SEEDS"].flatMap { UInt64($0) } ?? 1000
        for seed in 0..<seeds {
            var simulation = ClusterSimulation(seed: seed)
            let problem = simulation.run()
            #expect(problem == nil, "seed \(seed): \(problem ?? "")")
            if problem != nil { break }
            seen.merge(simulation.seen) { $0 + $1 }
        }
        // A campaign that never meets these tests little.
        for rarity in [
            "late report", "came back with leases", "revoked", "resumed from a checkpoint",
            "outcome of an earlier process",
            "shard given up", "asked", "hurried",
        ] {
            #expect(seen[rarity, default: 0] > 0, "never seen: \(rarity) in \(seen)")
        }
    }

    /// Goal: a seed is a run's only identity. Method: the same one twice, compared in its end.
    @Test func `the same seed gives the same run`() {
        for seed in 0..<20 as Range<UInt64> {
            var (first, second) = (ClusterSimulation(seed: seed), ClusterSimulation(seed: seed))
            _ = first.run()
            _ = second.run()
            #expect(first.now == second.now && first.seen == second.seen && first.disk.shards == second.disk.shards)
        }
    }
}
