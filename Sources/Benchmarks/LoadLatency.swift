import Coordination
import CoordinatorShell
import Digests
import Files
import Foundation
import Synchronization
import Transport
import Wire

// (e): how long a worker waits from its result to its next lease, calm and beside uploads, and what a bare `fsync`
// takes on the same disk under the same conditions.
extension LoadBenchmark {
    private static let samples = 300

    func latency() async throws {
        let state = try LoadState(shards: 10_000)
        let coordinator = try CoordinatorProcess(state)
        defer { coordinator.stop() }
        let uploader = try await LoadWorker(
            state.authority.makeIdentity(role: .worker, name: "uploader"),
            port: coordinator.port,
            slots: 1
        )
        let lease = try await uploader.lease()
        let worker = try await LoadWorker(
            state.authority.makeIdentity(role: .worker, name: "asker"),
            port: coordinator.port,
            slots: 1
        )
        let calm = (try await Self.leaseMilliseconds(worker), try Self.fsyncMilliseconds(in: state.folder.path))
        self.reportLatency("(e) from a result to the next lease, calm", leases: calm.0, fsyncs: calm.1)

        let blob = Self.noise(100 << 20)
        let isOver = Flag()
        let writing = Thread { Self.write(blob, to: "\(state.folder.path)/noise", until: isOver) }
        writing.start()
        let fsyncs = try Self.fsyncMilliseconds(in: state.folder.path)
        isOver.set(true)
        while !writing.isFinished { try await Task.sleep(for: .milliseconds(10)) }

        isOver.set(false)
        async let uploads = Self.upload(blob, lease, uploader, until: isOver)
        let leases = try await Self.leaseMilliseconds(worker)
        isOver.set(true)
        let count = try await uploads
        self.reportLatency("    the same while 100 MiB are uploaded, \(count) times", leases: leases, fsyncs: fsyncs)
        worker.connection.close()
        uploader.connection.close()
    }

    private func reportLatency(_ name: String, leases: [Double], fsyncs: [Double]) {
        func figures(_ values: [Double]) -> String {
            [0.5, 0.99].map { aligned(Self.quantile(values, $0), digits: 1, width: 0) }.joined(separator: "/")
        }
        self.report(
            name,
            "p50/p99 \(figures(leases)) ms; fsync \(figures(fsyncs)) ms",
            target: "p99 10 ms",
            isMet: Self.quantile(leases, 0.99) < 10
        )
    }

    private static func quantile(_ values: [Double], _ share: Double) -> Double {
        values.sorted()[min(values.count - 1, Int(Double(values.count) * share))]
    }

    private static func noise(_ bytes: Int) -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<bytes / 8).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
    }

    /// Uploads blobs that each differ in their first bytes, until it is over; at least one.
    private static func upload(
        _ blob: [UInt8],
        _ lease: Lease,
        _ worker: LoadWorker,
        until isOver: Flag
    ) async throws -> Int {
        var (blob, count) = (blob, 0)
        repeat {
            blob[0] &+= 1
            try await worker.upload(blob, digest: SHA256.hash(blob), lease: lease)
            count += 1
        } while !isOver.isSet
        return count
    }

    /// Writes the same bytes as durable files, in chunks, until it is over.
    private static func write(_ blob: [UInt8], to path: String, until isOver: Flag) {
        repeat { try? DurableFile.write(blob, to: path) } while !isOver.isSet
    }

    /// How long it takes from a result to the next lease, over and over.
    private static func leaseMilliseconds(_ worker: LoadWorker) async throws -> [Double] {
        var milliseconds: [Double] = []
        var lease = try await worker.lease()
        while milliseconds.count < Self.samples {
            let start = ContinuousClock.now
            try await worker.send(.report(lease, LoadWorker.outcome(lease.key)))
            lease = try await worker.lease()
            milliseconds.append((ContinuousClock.now - start) / .milliseconds(1))
        }
        // The next measurement begins with a grant of its own.
        try await worker.send(.handBack(lease))
        return milliseconds
    }

    /// What `fsync` takes for 4 KiB at the end of a file, over and over.
    private static func fsyncMilliseconds(in folder: String) throws -> [Double] {
        let path = "\(folder)/fsync"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw StorageError("write", path) }
        defer { close(descriptor) }
        let page = [UInt8](repeating: 1, count: 4096)
        return try (0..<Self.samples).map { _ in
            let start = ContinuousClock.now
            try DurableFile.writeAll(page, to: descriptor, path: path)
            try DurableFile.sync(descriptor, path: path)
            return (ContinuousClock.now - start) / .milliseconds(1)
        }
    }
}

/// What one thread tells another.
private final class Flag: Sendable {
    private let state = Mutex(false)

    var isSet: Bool { self.state.withLock { $0 } }

    func set(_ value: Bool) { self.state.withLock { $0 = value } }
}
