internal import Sweeps

/// What checkpoints may still take at the coordinator.
public struct Room: Hashable, Sendable {
    /// Less than nothing where there is too much already.
    public var bytes: Int
    /// For people: what bounds it.
    public var bound: String

    public init(bytes: Int, bound: String) {
        self.bytes = bytes
        self.bound = bound
    }
}

extension Coordinator {
    /// What decides who may have a waiting shard, and when.
    struct Demand: Hashable, Sendable {
        let needs: Needs
        /// Whether its last checkpoint is here.
        let isBegun: Bool

        /// What its checkpoints may yet take: the last one, the next that takes its place when it is here, and the best
        /// ones, which are smaller.
        var checkpointBytes: Int { (self.isBegun ? 2 : 3) * (self.needs.checkpointBytes ?? 0) }
    }

    /// That a shard waits for nothing but room.
    struct Shortage: Hashable, Sendable {
        let bytes: Int
        /// Whether nothing runs, either: then nothing here will make room.
        var isStalled: Bool
    }
}

// Room for checkpoints: a shard is granted only where what all that run may yet take still fits.
extension Coordinator {
    /// What is left when the shards that run have taken what they may.
    var roomLeft: Int {
        guard let room = self.room else { return .max }
        return room.bytes - self.promisedBytes
    }

    /// Says once that shards wait for room, and once that nothing runs any more. Only right after a measurement: what
    /// has been removed since one would not be seen.
    mutating func announceShortage() -> [Directive] {
        guard var shortage = self.shortage else {
            if !self.isAnythingWaiting || self.toldShortage?.bytes ?? 0 <= self.roomLeft { self.toldShortage = nil }
            return []
        }
        shortage.isStalled = self.leases.isEmpty && self.delayed.isEmpty
        if let told = self.toldShortage, told.isStalled || !shortage.isStalled { return [] }
        self.toldShortage = shortage
        return [.outOfRoom(reason: self.reason(for: shortage.bytes), isStalled: shortage.isStalled)]
    }

    /// Why there is no room for so many bytes.
    func reason(for bytes: Int) -> String {
        let promised = self.promisedBytes
        let others = promised > 0 ? ", those of running ones yet \(Self.mebibytes(promised))" : ""
        return "a shard's checkpoints may take \(Self.mebibytes(bytes))\(others); \(self.room?.bound ?? "")"
    }

    private static func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }

    /// What keeps all shards waiting, for people; nothing where work can go on.
    public func obstacles() -> [String] {
        if self.isDraining { return ["the coordinator is stopping"] }
        // Where all workers are busy at this moment, it is still what was said last that holds the rest back.
        guard self.isAnythingWaiting, let shortage = self.shortage ?? self.toldShortage else { return [] }
        return ["no room for more shards: \(self.reason(for: shortage.bytes))"]
    }
}

extension Coordinator.Entry {
    var demand: Coordinator.Demand { Coordinator.Demand(needs: self.needs, isBegun: self.checkpoints.last != nil) }
}
