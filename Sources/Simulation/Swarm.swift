/// The probabilities of one run. They are drawn from the seed before anything else, and each fault is left out of some
/// runs altogether: what never happens beside everything else may happen alone.
struct Swarm {
    // Network.
    let delayLeastMilliseconds: Int64
    let delayMeanMilliseconds: Int64
    /// A lost packet is sent again by the system: it costs time, and now and then the connection.
    let lossProbability: Double
    let replayProbability: Double
    let clogProbability: Double
    let clogMeanMilliseconds: Int64
    let dialFailureProbability: Double
    /// Of each way of each worker's; what is sent waits for what was sent before.
    let bytesPerSecond: Int64

    // Processes and machines.
    let faultMeanMilliseconds: Int64
    let restartMeanMilliseconds: Int64
    let pauseMeanMilliseconds: Int64
    let partitionMeanMilliseconds: Int64
    /// How likely each kind is when something breaks.
    let weights: [(fault: Fault, weight: Int)]

    // The coordinator's disk.
    let writeMeanMilliseconds: Int64
    /// That a write which was on its way when the power went is lost, sector for sector.
    let crashFaultProbability: Double
    let readFaultProbability: Double
    let writeFaultProbability: Double
    let syncFaultProbability: Double
    let damageProbability: Double
    let logPagesLimit: Int

    // Work.
    let stepMeanMilliseconds: Int64
    let steps: Int
    let experimentFailureProbability: Double
    let preparationFailureProbability: Double
    /// Whether the first machine fails whatever it trains.
    let hasBlackHole: Bool
    let checkpointBytes: Int
    /// That a part of a checkpoint is not what it was when it is sent.
    let uploadDamageProbability: Double
    /// Whether each process has a clock that goes wrong.
    let hasBadClocks: Bool

    init(using random: inout SeededGenerator) {
        func share(_ highest: Double) -> Double {
            random.chance(0.4) ? 0 : Double(random.number(1...1000)) / 1000 * highest
        }
        self.delayLeastMilliseconds = random.number(0...30)
        self.delayMeanMilliseconds = random.number(1...100)
        self.lossProbability = share(0.3)
        self.replayProbability = share(0.5)
        self.clogProbability = share(0.02)
        self.clogMeanMilliseconds = random.number(100...5000)
        self.dialFailureProbability = share(0.3)
        self.bytesPerSecond = random.chance(0.3) ? 1_000_000 : random.number(100...5000)
        self.faultMeanMilliseconds = random.number(500...20_000)
        self.restartMeanMilliseconds = random.number(100...40_000)
        self.pauseMeanMilliseconds = random.number(100...40_000)
        self.partitionMeanMilliseconds = random.number(100...60_000)
        self.weights = Fault.allCases.compactMap { fault in
            random.chance(0.35) ? nil : (fault, Int(random.number(1...10)))
        }
        self.writeMeanMilliseconds = random.number(0...100)
        self.crashFaultProbability = 0.8 + share(0.2)
        self.readFaultProbability = share(0.01)
        self.writeFaultProbability = share(0.005)
        self.syncFaultProbability = share(0.02)
        self.damageProbability = share(0.3)
        self.logPagesLimit = Int([4, 16, 64, 1000].randomElement(using: &random) ?? 4)
        self.stepMeanMilliseconds = random.number(50...4000)
        self.steps = Int(random.number(2...10))
        self.experimentFailureProbability = share(0.03)
        self.preparationFailureProbability = share(0.1)
        self.hasBlackHole = random.chance(0.2)
        self.checkpointBytes = Int(random.number(40...3000))
        self.uploadDamageProbability = share(0.1)
        self.hasBadClocks = random.chance(0.5)
    }
}

/// What breaks.
enum Fault: String, CaseIterable {
    case connectionCut
    case workerKilled
    case workerWithoutPower
    case workerPaused
    case workerAskedToLeave
    case machineLost
    case trainerKilled
    case coordinatorKilled
    case coordinatorWithoutPower
    case endInWrite
    case coordinatorPaused
    case coordinatorDrained
    case partition
    case diskFull
    case workerBanned
    case release
}
