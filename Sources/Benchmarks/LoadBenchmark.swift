import ArgumentParser
import Coordination
import CoordinatorShell
import Digests
import Foundation
import Training
import Transport
import Wire

/// A coordinator under load, over mutual TLS on loopback and with every result durable: the real service in a process
/// of its own that may use one core, and workers in this one that train nothing.
struct LoadBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Leases a second, idle workers, restart, handshakes, latency and uploads of a coordinator."
    )

    /// The figures, in the order in which they are measured.
    enum Part: String, CaseIterable, ExpressibleByArgument {
        case dispatch, idle, restart, handshakes, latency, upload
    }

    @Argument(help: "What to measure; by default all of it.")
    var parts: [Part] = Part.allCases

    @Option(help: "Shards of the dispatch measurement.")
    var shards = 20_000

    @Option(help: "Workers of the dispatch measurement.")
    var workers = 16

    @Option(help: "Slots of each of them.")
    var slots = 16

    @Option(help: "A Python with dask[distributed], ray or hyperqueue, which are then measured beside the dispatch.")
    var python: String?

    func run() async throws {
        for part in self.parts {
            switch part {
            case .dispatch:
                let rate = try await self.dispatch()
                if let python { self.compare(python: python, ours: rate) }
            case .idle: try await self.idle()
            case .restart: try await self.restart()
            case .handshakes: try await self.handshakes()
            case .latency: try await self.latency()
            case .upload: try await self.upload()
            }
            fflush(nil)
        }
    }

    func report(_ name: String, _ figure: String, target: String, isMet: Bool) {
        print(name.padded(44) + figure.padded(40) + "target \(target): \(isMet ? "met" : "MISSED")")
    }

    func identities(_ count: Int, _ state: LoadState) throws -> [Identity] {
        try (0..<count).map { try state.authority.makeIdentity(role: .worker, name: "worker-\($0)") }
    }

    // MARK: - (b) idle workers

    private func idle() async throws {
        let state = try LoadState(shards: 1)
        let coordinator = try CoordinatorProcess(state)
        defer { coordinator.stop() }
        let workers = try await self.connect(self.identities(1000, state), coordinator.port)
        let share = try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, worker) in workers.enumerated() {
                group.addTask { while !Task.isCancelled { _ = try await worker.next() } }
                group.addTask {
                    // Spread over the interval, as workers that came at different times are.
                    let interval = Double(Worker.Limits().heartbeatSeconds)
                    try await Task.sleep(for: .seconds(interval * Double(index) / 1000))
                    while true {
                        try await worker.send(.heartbeat(holding: []))
                        try await Task.sleep(for: .seconds(interval))
                    }
                }
            }
            try await Task.sleep(for: .seconds(6))
            let (before, start) = (coordinator.usage.seconds, ContinuousClock.now)
            try await Task.sleep(for: .seconds(20))
            let share = (coordinator.usage.seconds - before) / ((ContinuousClock.now - start) / .seconds(1))
            group.cancelAll()
            for worker in workers { worker.connection.close() }
            while let _ = await group.nextResult() {}
            return share
        }
        self.report(
            "(b) 1,000 idle workers",
            "\(aligned(share * 100, digits: 1, width: 0)) % of a core, \(coordinator.usage.residentBytes >> 20) MiB",
            target: "5 %",
            isMet: share < 0.05
        )
    }

    private func connect(_ identities: [Identity], _ port: Int) async throws -> [LoadWorker] {
        try await withThrowingTaskGroup(of: LoadWorker.self) { group in
            for identity in identities { group.addTask { try await LoadWorker(identity, port: port, slots: 1) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    // MARK: - (c) restart

    private func restart() async throws {
        for done in [0, 50_000] {
            let state = try LoadState(shards: 100_000, done: done)
            let identity = try state.authority.makeIdentity(role: .worker, name: "worker")
            let start = ContinuousClock.now
            let coordinator = try CoordinatorProcess(state)
            defer { coordinator.stop() }
            let worker = try await LoadWorker(identity, port: coordinator.port, slots: 1)
            _ = try await worker.lease()
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            self.report(
                "(c) restart, 100,000 shards, \(done) done",
                "\(aligned(seconds, digits: 2, width: 0)) s to the first lease, "
                    + "\(coordinator.usage.residentBytes >> 20) MiB",
                target: "2 s",
                isMet: seconds < 2
            )
            worker.connection.close()
        }
    }

    // MARK: - (d) handshakes

    private func handshakes() async throws {
        let state = try LoadState(shards: 1)
        let identities = try self.identities(1000, state)
        let coordinator = try CoordinatorProcess(state)
        defer { coordinator.stop() }
        let start = ContinuousClock.now
        let workers = try await self.connect(identities, coordinator.port)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        for worker in workers { worker.connection.close() }
        self.report(
            "(d) 1,000 workers come back at once",
            "\(aligned(seconds, digits: 2, width: 0)) s for their TLS handshakes",
            target: "5 s",
            isMet: seconds < 5
        )
    }

    // MARK: - (f) upload

    private func upload() async throws {
        let state = try LoadState(shards: 4)
        let coordinator = try CoordinatorProcess(state)
        defer { coordinator.stop() }
        let worker = try await LoadWorker(
            state.authority.makeIdentity(role: .worker, name: "uploader"),
            port: coordinator.port,
            slots: 1
        )
        let lease = try await worker.lease()
        let raw = Self.checkpoint(megabytes: 100)
        let start = ContinuousClock.now
        let stored = try CheckpointContainer.pack(raw)
        let digest = SHA256.hash(stored)
        let packed = ContinuousClock.now
        try await worker.upload(stored, digest: digest, lease: lease)
        let (packing, sending) = ((packed - start) / .seconds(1), (ContinuousClock.now - packed) / .seconds(1))
        worker.connection.close()
        let rate = Double(raw.count) / 1e6 / sending
        self.report(
            "(f) a checkpoint of \(raw.count / 1_000_000) MB",
            "\(Int(rate)) MB/s (\(Int(Double(stored.count) / 1e6 / sending)) as sent; "
                + "packing \(Int(Double(raw.count) / 1e6 / packing)))",
            target: "300 MB/s",
            isMet: rate >= 300
        )
    }

    /// Floats such as a checkpoint holds: normal, of a small deviation.
    private static func checkpoint(megabytes: Int) -> [UInt8] {
        let count = megabytes * 250_000
        var floats = [Float](repeating: 0, count: count)
        var bits: UInt64 = 1
        for index in 0..<count {
            var sum: Float = 0
            for _ in 0..<4 {
                bits = bits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                sum += Float(bits >> 40) / Float(1 << 24) - 0.5
            }
            floats[index] = 0.02 * sum
        }
        return floats.withUnsafeBytes { Array($0) }
    }
}
