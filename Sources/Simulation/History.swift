internal import Coordination

/// What happened in a run: a number that differs where anything differs and, when asked for, lines for people.
final class History {
    /// FNV-1a over what is mixed in.
    private(set) var fingerprint: UInt64 = 0xCBF2_9CE4_8422_2325
    private(set) var lines: [String] = []
    let keepsLines: Bool

    init(keepsLines: Bool) { self.keepsLines = keepsLines }

    func mix(_ value: UInt64) {
        self.fingerprint = (self.fingerprint ^ value) &* 0x100_0000_01B3
        self.fingerprint ^= self.fingerprint >> 29
    }

    /// The line is made only where lines are kept.
    func add(at now: Instant, _ line: @autoclosure () -> String) {
        guard self.keepsLines else { return }
        let (seconds, rest) = now.milliseconds.quotientAndRemainder(dividingBy: 1000)
        let fraction = String(rest + 1000).dropFirst()
        self.lines.append("\(seconds).\(fraction) \(line())")
    }
}

/// Rare states: a campaign that has never met one of them tests little.
public enum Sometimes: String, CaseIterable, Sendable {
    case adoptedForgottenLease = "a lease that a crash forgot was adopted"
    case keptLease = "a lease outlived its coordinator"
    case cameBackHolding = "a worker came back with leases"
    case resumed = "an attempt went on from a checkpoint"
    case resumedElsewhere = "an attempt went on from another worker's checkpoint"
    case lateResult = "a result under a lease that was over counted"
    case needlessResult = "a second result for a shard changed nothing"
    case spooledOutcome = "an outcome outlived its worker's process"
    case revoked = "an attempt was revoked"
    case blobMissing = "a result had to wait for its checkpoint"
    case resumedOften = "a result came of attempts that went on from checkpoints more than once"
    case uploadRefused = "a checkpoint was refused"
    case uploadResumed = "an upload went on where an earlier connection or coordinator had left it"
    case uploadDamaged = "a checkpoint whose bytes were others was thrown away"
    case renameLost = "a new name of a file was lost with the power"
    case banned = "a worker was banned"
    case bannedAtWork = "a worker was banned while it held leases"
    case bannedKnocked = "a banned worker was refused"
    case approved = "a banned worker was let back in"
    case banLost = "a ban could not be written"
    case released = "a coordinator was replaced by a newer version"
    case refusedVersion = "a worker of another version was refused"
    case upgraded = "a worker came back upgraded, with outcomes on its disk"
    case headOfLine = "a message waited behind a large upload"
    case blobReturned = "a removed checkpoint was back after a power loss, and removed again"
    case givenUp = "a shard was given up"
    case failedForGood = "a shard that would fail anywhere was given up"
    case quarantinedByTwo = "a shard that failed on two workers was given up"
    case ranTwice = "a shard ran twice, with the same bits"
    case suspended = "a worker was suspended"
    case retried = "a person retried a shard that was given up"
    case grown = "a sweep was launched again with more shards"
    case asked = "a worker left when asked"
    case hurried = "a worker left in a hurry"
    case dismissed = "a worker was dismissed"
    case silent = "a worker was cut off for its silence"
    case deafWorker = "a worker gave up a silent coordinator"
    case coordinatorDrained = "a coordinator was drained"
    case coordinatorKilled = "a coordinator was killed"
    case powerLost = "the coordinator's machine lost its power"
    case killedInWrite = "a coordinator was killed in the middle of a write"
    case crashedInWrite = "the power went during a write"
    case tornWrite = "of unsynced writes a part survived"
    case unacknowledgedKept = "a commit of unknown outcome had happened"
    case unacknowledgedLost = "a commit of unknown outcome had not happened"
    case writeFault = "a write failed"
    case syncFault = "a sync failed"
    case readFault = "a read failed"
    case diskFull = "the disk was full"
    case outOfRoom = "shards waited for room"
    case logCopied = "the log was copied into the store's file while the coordinator ran"
    case damageNamed = "a damaged row was named"
    case damageFound = "damage outside a row was found"
    case logDamageFound = "damage in the log was found"
    case misplacedFound = "a write that went astray was found"
    case damageHarmless = "a flipped bit mattered to nothing"
    case oneWayPartition = "the network went one way only"
    case fullPartition = "the network went neither way"
    case clogged = "messages were held up"
    case repeated = "a message came twice"
    case workerPaused = "a worker stood still"
    case coordinatorPaused = "a coordinator stood still"
    case machineLost = "a machine never came back"
}
