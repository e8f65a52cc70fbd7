/// Many runs, and what they met.
public struct Campaign: Sendable, CustomStringConvertible {
    /// From how many runs on every rare state must have been met.
    public static let completeRuns = 500

    public private(set) var runs = 0
    public private(set) var events = 0
    public private(set) var milliseconds: Int64 = 0
    /// In how many runs each rare state was met.
    public private(set) var seen: [Sometimes: Int] = [:]
    /// The first seed that went wrong, and what.
    public private(set) var violation: (seed: UInt64, reason: String)?

    /// Runs seeds one after the other, until one goes wrong.
    public init(seeds: some Sequence<UInt64>) {
        defer { LastSeed.set(nil) }
        for seed in seeds {
            LastSeed.set(seed)
            let run = SimulatedRun(seed: seed)
            self.runs += 1
            self.events += run.events
            self.milliseconds += run.milliseconds
            for rarity in run.seen { self.seen[rarity, default: 0] += 1 }
            if let reason = run.violation {
                self.violation = (seed, reason)
                return
            }
        }
    }

    /// Rare states that a campaign of this size should have met and has not.
    public var missed: [Sometimes] {
        guard self.violation == nil, self.runs >= Self.completeRuns else { return [] }
        return Sometimes.allCases.filter { self.seen[$0] == nil }
    }

    /// The counts.
    public var description: String {
        let counts = Sometimes.allCases.map { rarity in
            let count = String(self.seen[rarity, default: 0])
            return String(repeating: " ", count: max(0, 8 - count.count)) + count + "  " + rarity.rawValue
        }
        let hours = self.milliseconds / 3_600_000
        return (["\(self.runs) runs, \(self.events) events, \(hours) simulated hours; runs in which"] + counts)
            .joined(separator: "\n")
    }
}
