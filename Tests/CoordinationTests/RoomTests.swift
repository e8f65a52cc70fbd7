import Coordination
import Sweeps
import Testing

/// Room for checkpoints at the coordinator: a shard that could not keep its own is not begun.
@Suite struct RoomTests {
    private var coordinator = Coordinator(epoch: 1)

    /// Each of these may take 30 bytes, and 20 more once its last checkpoint is there.
    private mutating func submit(_ count: Int) {
        let needs = Needs(checkpointBytes: 10)
        let shards = (0..<count).map { Coordinator.KnownShard(key: shardKey($0), needs: needs) }
        _ = self.coordinator.handle(.submitted(shards), at: at(0))
    }

    private mutating func measure(_ bytes: Int, at seconds: Int) -> [Coordinator.Directive] {
        defer { self.coordinator.checkInvariants() }
        return self.coordinator.handle(.roomMeasured(Room(bytes: bytes, bound: "there is no more")), at: at(seconds))
    }

    private func told(_ directives: [Coordinator.Directive]) -> [Bool] {
        directives.compactMap { if case .outOfRoom(_, let isStalled) = $0 { isStalled } else { nil } }
    }

    @Test mutating func `no more shards run than their checkpoints have room for, and it is said once`() throws {
        self.submit(4)
        _ = self.measure(75, at: 0)
        let leases = self.coordinator.handle(.workerJoined("a", slots: 4, holding: []), at: at(0)).grants
        #expect(leases.map(\.key) == [shardKey(0), shardKey(1)])
        #expect(self.told(self.measure(75, at: 1)) == [false])
        #expect(self.told(self.measure(75, at: 2)).isEmpty)
        let why =
            "there is no room for it: a shard's checkpoints may take 1 MiB, those of running ones yet 1 MiB; "
            + "there is no more"
        #expect(self.coordinator.explain(shardKey(2), at: at(2)) == ["it waits", why])
        #expect(self.coordinator.obstacles().count == 1)
        // What is there is no longer promised; what is done makes room, for the next measurement to find.
        _ = self.coordinator.handle(
            .checkpointed("a", leases[0], checkpoint(.last, step: 1, of: leases[0].key)),
            at: at(3)
        )
        #expect(self.measure(65, at: 3).grants.isEmpty)
        let end = self.coordinator.handle(
            .reported("a", leases[0], .finished(shardResult(leases[0].key), best: nil)),
            at: at(4)
        )
        #expect(end.grants.map(\.key) == [shardKey(2)] && end.contains(.wake(at: at(5))))
        #expect(self.measure(75, at: 5).grants.isEmpty)
        #expect(self.measure(105, at: 6).grants.map(\.key) == [shardKey(3)])
        #expect(self.coordinator.obstacles().isEmpty)
    }

    @Test mutating func `where nothing runs and nothing fits, nothing goes on until there is room`() {
        _ = self.measure(29, at: 0)
        self.submit(1)
        #expect(self.coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.isEmpty)
        #expect(self.told(self.measure(29, at: 1)) == [true])
        #expect(self.told(self.measure(-5, at: 2)).isEmpty)
        #expect(self.measure(30, at: 3).grants.count == 1)
    }

    @Test mutating func `a shard that has begun needs less room and goes on first`() throws {
        let needs = Needs(checkpointBytes: 10)
        let begun = Checkpoints(last: checkpoint(.last, step: 5, of: shardKey(1)))
        _ = self.measure(20, at: 0)
        _ = self.coordinator.handle(
            .submitted([
                .init(key: shardKey(0), needs: needs), .init(key: shardKey(1), checkpoints: begun, needs: needs),
            ]),
            at: at(0)
        )
        let grants = self.coordinator.handle(.workerJoined("a", slots: 2, holding: []), at: at(0)).grants
        #expect(grants.map(\.key) == [shardKey(1)])
        self.coordinator.checkInvariants()
    }

    @Test mutating func `what is promised is known again after a restart, and follows what grids say`() throws {
        let needs = Needs(checkpointBytes: 10)
        let old = LeaseToken(epoch: 0, counter: 1)
        let shards: [Coordinator.KnownShard] = [
            .init(key: shardKey(0), state: .leased(old, to: "a"), needs: needs), .init(key: shardKey(1), needs: needs),
        ]
        _ = self.measure(40, at: 0)
        _ = self.coordinator.handle(.submitted(shards), at: at(0))
        let holding = [Lease(token: old, key: shardKey(0))]
        #expect(self.coordinator.handle(.workerJoined("a", slots: 2, holding: holding), at: at(0)).grants.isEmpty)
        self.coordinator.checkInvariants()
        let smaller = shards.map { Coordinator.KnownShard(key: $0.key, needs: Needs(checkpointBytes: 6)) }
        #expect(self.coordinator.handle(.submitted(smaller), at: at(1)).grants.map(\.key) == [shardKey(1)])
        self.coordinator.checkInvariants()
    }

    @Test mutating func `what needs no room goes on without it, and so does what nobody has measured`() {
        self.submit(1)
        #expect(self.coordinator.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.count == 1)
        var small = Coordinator(epoch: 1)
        _ = small.handle(.roomMeasured(Room(bytes: 0, bound: "")), at: at(0))
        _ = small.handle(.submitted([.init(key: shardKey(0))]), at: at(0))
        #expect(small.handle(.workerJoined("a", slots: 1, holding: []), at: at(0)).grants.count == 1)
    }
}
