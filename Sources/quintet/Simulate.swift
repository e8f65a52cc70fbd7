import ArgumentParser
import Simulation

/// `quintet simulate`
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run made-up clusters, in which everything breaks, and check that nothing is lost."
    )

    @Option(help: "The first seed; a run is a function of its seed.")
    var seed: UInt64

    @Option(help: "How many seeds to run, one after the other; without it, one, with its history.")
    var seeds: Int?

    func validate() throws {
        if let seeds, seeds < 1 { throw ValidationError("--seeds is \(seeds); it must be at least 1.") }
        if self.seed.addingReportingOverflow(UInt64(self.seeds ?? 1)).overflow {
            throw ValidationError("--seed \(self.seed) and \(self.seeds ?? 1) more is too large.")
        }
    }

    func run() throws {
        let output = Terminal.standardOutput
        guard let seeds else {
            let run = SimulatedRun(seed: self.seed, keepsHistory: true)
            output.write(run.history.joined(separator: "\n") + "\n")
            if let violation = run.violation { throw SimulationFailure(seed: self.seed, reason: violation) }
            return
        }
        let campaign = Campaign(seeds: self.seed..<self.seed + UInt64(seeds))
        output.write("\(campaign)\n")
        if let (seed, reason) = campaign.violation { throw SimulationFailure(seed: seed, reason: reason) }
        guard campaign.missed.isEmpty else { throw SimulationFailure(missed: campaign.missed) }
    }
}

/// A run in which something happened that must not, or runs in which too little did.
struct SimulationFailure: Error, CustomStringConvertible {
    let description: String

    init(seed: UInt64, reason: String) {
        self.description = "seed \(seed): \(reason); quintet simulate --seed \(seed) shows how"
    }

    init(missed: [Sometimes]) {
        let states = missed.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        self.description = "these runs tested too little, they never met: \(states)"
    }
}
