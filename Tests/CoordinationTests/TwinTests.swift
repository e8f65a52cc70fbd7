import Coordination
import Digests
import Sweeps
import Testing

/// Late shards near the end of a sweep.
@Suite struct TwinTests {
    /// Five seeds of one cell: four took 100 s, the fifth runs on worker `slow` since second 100.
    private func lateCluster() throws -> (Coordinator, Lease) {
        var coordinator = Coordinator(epoch: 1)
        let cell = SHA256.hash("cell")
        let known = (0..<5).map { Coordinator.KnownShard(key: shardKey($0), cell: cell) }
        _ = coordinator.handle(.submitted(SweepTerms(name: "one"), known), at: at(0))
        _ = coordinator.handle(.workerJoined("quick", slots: 4, holding: []), at: at(0))
        let first = coordinator.running.map(\.lease)
        for second in stride(from: 20, through: 80, by: 20) {
            _ = coordinator.handle(.heartbeat("quick", holding: first), at: at(second))
        }
        _ = coordinator.handle(.workerDraining("quick"), at: at(90))
        for lease in first {
            _ = coordinator.handle(.reported("quick", lease, .finished(shardResult(lease.key), best: nil)), at: at(100))
        }
        let late = coordinator.handle(.workerJoined("slow", slots: 1, holding: []), at: at(100)).grants
        return (coordinator, try #require(late.first))
    }

    private func pass(_ coordinator: inout Coordinator, to end: Int, _ workers: [WorkerName]) -> [Lease] {
        var granted: [Lease] = []
        for second in stride(from: 105, through: end, by: 5) {
            for worker in workers {
                let held = coordinator.running.filter { $0.worker == worker }.map(\.lease)
                granted += coordinator.handle(.heartbeat(worker, holding: held), at: at(second)).grants
                coordinator.checkInvariants()
            }
        }
        return granted
    }

    @Test func `a late shard gets a twin on another worker, and the first result counts`() throws {
        var (coordinator, late) = try self.lateCluster()
        _ = coordinator.handle(.workerJoined("idle", slots: 2, holding: []), at: at(101))
        #expect(self.pass(&coordinator, to: 245, ["slow", "idle"]).isEmpty)
        let twin = try #require(self.pass(&coordinator, to: 255, ["slow", "idle"]).first)
        #expect(twin.key == late.key && twin.token > late.token)
        #expect(Set(coordinator.running.map(\.worker)) == ["slow", "idle"])
        let result = shardResult(late.key)
        let first = coordinator.handle(.reported("idle", twin, .finished(result, best: nil)), at: at(256))
        #expect(first.results == 1 && first.contains(.revoke(late, from: "slow")) && first.contains(.ended))
        let second = coordinator.handle(.reported("slow", late, .finished(result, best: nil)), at: at(257))
        #expect(second.results == 0 && second.contains(.compare(late, by: "slow", result)))
        coordinator.checkInvariants()
    }

    @Test func `where one of the two is lost the other one goes on`() throws {
        for lost in ["slow", "idle"] {
            var (coordinator, late) = try self.lateCluster()
            _ = coordinator.handle(.workerJoined("idle", slots: 1, holding: []), at: at(101))
            let twin = try #require(self.pass(&coordinator, to: 255, ["slow", "idle"]).first)
            _ = coordinator.handle(.workerLost(lost), at: at(256))
            let rest = lost == "slow" ? twin : late
            let worker = lost == "slow" ? "idle" : "slow"
            for second in stride(from: 260, through: 300, by: 5) {
                _ = coordinator.handle(.heartbeat(worker, holding: [rest]), at: at(second))
                coordinator.checkInvariants()
            }
            #expect(coordinator.running.map(\.lease) == [rest])
            let end = coordinator.handle(
                .reported(worker, rest, .finished(shardResult(rest.key), best: nil)),
                at: at(301)
            )
            #expect(end.results == 1 && end.contains(.ended))
        }
    }

    @Test func `a failure that would come again anywhere ends both`() throws {
        var (coordinator, late) = try self.lateCluster()
        _ = coordinator.handle(.workerJoined("idle", slots: 1, holding: []), at: at(101))
        let twin = try #require(self.pass(&coordinator, to: 255, ["slow", "idle"]).first)
        let end = coordinator.handle(.reported("slow", late, .failed(failure(.experiment, .diverged))), at: at(256))
        #expect(end.contains(.revoke(twin, from: "idle")) && coordinator.running.isEmpty)
        #expect(coordinator.state(of: late.key) == .failed)
        coordinator.checkInvariants()
    }

    @Test func `nothing is woken for a shard that is late while no worker is free`() throws {
        var (coordinator, _) = try self.lateCluster()
        let woken = coordinator.handle(.timeAdvanced, at: at(110)).compactMap {
            if case .wake(let instant) = $0 { instant } else { nil }
        }
        #expect(woken.allSatisfy { $0 > at(110) })
    }
}
