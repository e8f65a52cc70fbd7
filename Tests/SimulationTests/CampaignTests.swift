import Foundation
import Simulation
import TestSupport
import Testing

@Suite struct CampaignTests {
    /// Goal: whatever workers, network, disks and coordinator do, every shard ends exactly once, nothing that was
    /// acknowledged is lost, and once a part of the cluster is whole everything comes to its end.
    /// Method: the real state machines and the real store over a seeded network and disk, checked after every event;
    /// the runs must have met every rare state. `QUINTET_SEEDS` asks for more of them.
    @Test func `every shard ends exactly once in seeded runs`() async {
        let seeds = ProcessInfo.processInfo.environment["QUINTET_SEEDS"].flatMap { UInt64($0) } ?? 500
        let campaign = await apart { Campaign(seeds: 0..<seeds) }
        #expect(campaign.violation == nil, "seed \(campaign.violation?.seed ?? 0): \(campaign.violation?.reason ?? "")")
        #expect(campaign.missed.isEmpty, "never met: \(campaign.missed.map(\.rawValue)) in \(campaign)")
    }

    /// Goal: a seed is a run's only identity. Method: the same one twice, compared to the byte.
    @Test func `the same seed gives the same history`() {
        for seed in 1000..<1010 as Range<UInt64> {
            let (first, second) = (
                SimulatedRun(seed: seed, keepsHistory: true), SimulatedRun(seed: seed, keepsHistory: true)
            )
            #expect(first.history.count > 20)
            #expect(first.history == second.history)
            #expect(first.fingerprint == second.fingerprint)
            // Whether somebody listens changes nothing.
            #expect(SimulatedRun(seed: seed).fingerprint == first.fingerprint)
        }
        #expect(SimulatedRun(seed: 1).fingerprint != SimulatedRun(seed: 2).fingerprint)
    }
}
