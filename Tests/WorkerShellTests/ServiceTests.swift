import Coordination
import CoordinatorShell
import Digests
import Foundation
import Logging
import Sweeps
import Testing
import Transport
import Wire

@testable import WorkerShell

/// A coordinator that can be ended and started again on the same port, and workers on the same machine.
private final class Cluster {
    let files: TrainerFolder
    let state: StateFolder
    let authority: CertificateAuthority
    let store: Store
    let sweep: StoredSweep
    private(set) var service: CoordinatorService?
    private(set) var port = 0
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init(_ files: TrainerFolder) throws {
        self.files = files
        self.state = StateFolder("\(files.path)/state")
        try FileManager.default.createDirectory(atPath: self.state.path, withIntermediateDirectories: true)
        self.authority = try CertificateAuthority()
        self.store = try Store(writing: self.state.database)
        self.sweep = StoredSweep(name: "test", definition: files.grid, launchedSeconds: 1)
        let folder = StoredFolder(path: files.inputs, manifest: files.manifest)
        _ = try self.store.submit(self.sweep, shards: files.shards, folders: [folder])
    }

    func start(diskBytes: Int? = nil) async throws {
        let service = try CoordinatorService(
            state: self.state,
            store: self.store,
            authority: self.authority,
            sweeps: [self.sweep],
            diskBytes: diskBytes,
            version: "test",
            logger: self.logger
        )
        self.port = try await service.start(host: "127.0.0.1", port: self.port)
        self.service = service
    }

    func stop() async {
        await self.service?.shutdown()
        self.service = nil
    }

    /// Reads notices until one is of this kind.
    func wait(for isIt: (CoordinatorNotice) -> Bool) async -> CoordinatorNotice? {
        guard let notices = self.service?.notices else { return nil }
        for await notice in notices where isIt(notice) { return notice }
        return nil
    }

    func waitForEnd() async { _ = await self.wait { $0 == .ended } }

    func worker(
        _ name: String,
        slots: Int = 1,
        cache: String? = nil,
        identity: Identity? = nil
    ) throws -> WorkerService {
        let folder = WorkerFolder("\(self.files.path)/\(name)")
        _ = try folder.lock()
        var limits = Worker.Limits()
        limits.dialSecondsLimit = 1
        let line = JoinLine(
            host: "127.0.0.1",
            port: self.port,
            token: JoinToken(),
            authorityKeyDigest: self.authority.publicKeyDigest
        )
        let options = WorkerOptions(
            join: .line(line),
            folder: folder,
            cache: FolderCache(cache ?? self.files.cache),
            slots: slots,
            threads: 1,
            trainer: self.files.trainer,
            version: "test",
            limits: limits
        )
        return WorkerService(
            options,
            identity: try identity ?? self.authority.makeIdentity(role: .worker, name: name),
            logger: self.logger
        )
    }

    var results: [Int: ShardResult] {
        get throws {
            Dictionary(
                uniqueKeysWithValues: try self.store.shards(of: self.sweep).compactMap { shard in
                    shard.result.map { (shard.planned.seed, $0) }
                }
            )
        }
    }
}

@Suite(.serialized) struct ServiceTests {
    /// Goal: two workers that have nothing fetch what they lack over TLS, train, and bring every result home, with its
    /// best checkpoint and no other.
    @Test func `two bare workers finish a sweep over TLS`() async throws {
        let files = try TrainerFolder(seeds: 5)
        let cluster = try Cluster(files)
        try await cluster.start()
        let first = try cluster.worker("a", slots: 2)
        let second = try cluster.worker("b", cache: "\(files.path)/other-cache")
        async let firstEnd = first.run()
        async let secondEnd = second.run()
        await cluster.waitForEnd()
        #expect(await firstEnd == .departed(.dismissed, lastError: nil))
        #expect(await secondEnd == .departed(.dismissed, lastError: nil))
        // One that comes too late is told at once.
        #expect(try await cluster.worker("c").run() == .departed(.dismissed, lastError: nil))
        #expect(
            try cluster.results
                == Dictionary(uniqueKeysWithValues: files.shards.map { ($0.seed, TrainerFolder.result($0)) })
        )
        #expect(files.runs.sorted() == (0..<5).map { "\($0) 0" })
        let blobs = try BlobStore(folder: cluster.state.blobs)
        #expect(try blobs.all().count == 5)
        #expect(try Set(blobs.all()) == cluster.store.referredBlobs())
        for cache in [files.cache, "\(files.path)/other-cache"] {
            let folder = "\(cache)/folders/\(files.manifest.digest)"
            #expect(try FolderManifest(folder: folder) == files.manifest)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(files.path)/a/attempts").isEmpty)
        #expect(["a", "c"].map { WorkerFolder("\(files.path)/\($0)").hasWorked } == [true, false])
        await cluster.stop()
    }

    /// Goal: results are taken whatever the room for checkpoints, and the quota holds.
    @Test func `a checkpoint over the quota is refused, and its result is taken without it`() async throws {
        let files = try TrainerFolder(seeds: 2)
        let cluster = try Cluster(files)
        try await cluster.start(diskBytes: 1)
        let worker = try cluster.worker("a")
        async let end = worker.run()
        await cluster.waitForEnd()
        #expect(await end == .departed(.dismissed, lastError: nil))
        #expect(try cluster.results.count == 2)
        let blobs = try BlobStore(folder: cluster.state.blobs, countsBytes: true)
        #expect(try blobs.all().isEmpty && blobs.usedBytes == 0 && cluster.store.referredBlobs().isEmpty)
        await cluster.stop()
    }

    /// Goal: training goes on while there is no coordinator, and the next one takes result and leases over.
    @Test func `a coordinator's absence costs no step`() async throws {
        let files = try TrainerFolder(seeds: 2)
        let cluster = try Cluster(files)
        try files.order("hang", seed: 0)
        try files.order("hang", seed: 1)
        try await cluster.start()
        let worker = try cluster.worker("a", slots: 2)
        async let end = worker.run()
        for _ in 0..<2 { _ = await cluster.wait { if case .started = $0 { true } else { false } } }
        await cluster.stop()
        // One finishes while nobody is there.
        try files.order(nil, seed: 0)
        let outcome = "\(files.path)/a/attempts/1-1/outcome.json"
        while !FileManager.default.fileExists(atPath: outcome) { await Task.yield() }
        try await cluster.start()
        _ = await cluster.wait { if case .finished = $0 { true } else { false } }
        try files.order(nil, seed: 1)
        await cluster.waitForEnd()
        #expect(await end == .departed(.dismissed, lastError: nil))
        #expect(files.runs.sorted() == ["0 0", "1 0"])
        #expect(try cluster.results.count == 2)
        await cluster.stop()
    }

    /// Goal: what a sweep's new grid lacks ends on the workers at once, not at the next start.
    /// Method: both trainers hang, and a worker is dismissed only when it holds nothing.
    @Test func `a smaller grid ends what it lacks on the workers, too`() async throws {
        let files = try TrainerFolder(seeds: 2)
        let cluster = try Cluster(files)
        for seed in 0..<2 { try files.order("hang", seed: seed) }
        try await cluster.start()
        let worker = try cluster.worker("a", slots: 2)
        async let end = worker.run()
        for _ in 0..<2 { _ = await cluster.wait { if case .started = $0 { true } else { false } } }
        var smaller = cluster.sweep
        smaller.definition = files.grid.replacing("seeds: 2", with: "seeds: 1")
        #expect(try cluster.store.submit(smaller, shards: [files.shards[0]], folders: []) == .replaced)
        try cluster.service?.submit(smaller)
        try files.order(nil, seed: 0)
        await cluster.waitForEnd()
        #expect(await end == .departed(.dismissed, lastError: nil))
        #expect(try cluster.store.shards(of: smaller).count { $0.result != nil } == 1)
        await cluster.stop()
    }

    /// Goal: a worker that leaves hands its shard back, and the next one goes on from its checkpoint.
    @Test func `a worker that leaves costs no more than its last step`() async throws {
        let files = try TrainerFolder(seeds: 1, steps: 60)
        let cluster = try Cluster(files)
        try await cluster.start()
        let first = try cluster.worker("a")
        async let firstEnd = first.run()
        _ = await cluster.wait { if case .started = $0 { true } else { false } }
        while await cluster.service?.snapshot()?.running.first?.progress?.step ?? 0 < 5 { await Task.yield() }
        first.leave()
        #expect(await firstEnd == .departed(.asked, lastError: nil))
        let second = try cluster.worker("b")
        async let secondEnd = second.run()
        await cluster.waitForEnd()
        _ = await secondEnd
        let steps = files.runs.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        #expect(steps.count == 2 && steps[0] == 0 && steps[1] >= 5, "\(files.runs)")
        #expect(try cluster.store.knownShards(of: "test")[0].failures == Coordinator.Failures())
        await cluster.stop()
    }

    @Test func `trainers that die, fail or break their contract are told apart`() async throws {
        let files = try TrainerFolder(seeds: 3)
        let cluster = try Cluster(files)
        for (seed, behaviour) in [(0, "die"), (1, "crash"), (2, "babble")] { try files.order(behaviour, seed: seed) }
        try await cluster.start()
        let worker = try cluster.worker("a")
        async let end = worker.run()
        var failures: [String: AttemptFailure] = [:]
        while failures.count < 3 {
            let notice = await cluster.wait { if case .failed = $0 { true } else { false } }
            guard case .failed(let name, let failure, let verdict)? = notice else { break }
            if name == "rte/full/1" { #expect(verdict == .failed) }
            if failures.updateValue(failure, forKey: name) == nil, name != "rte/full/1" {
                try files.order(nil, seed: name.hasSuffix("0") ? 0 : 2)
            }
        }
        let (died, failed, babbled) = (failures["rte/full/0"], failures["rte/full/1"], failures["rte/full/2"])
        #expect(died?.cause == .infrastructure && died?.message.contains("signal 9") == true)
        #expect(died?.message.contains("last words") == true)
        #expect(failed == AttemptFailure(cause: .experiment, kind: .diverged, message: "the loss is no number"))
        #expect(babbled?.cause == .experiment && babbled?.message.contains("this is no JSON") == true)
        await cluster.waitForEnd()
        _ = await end
        #expect(try cluster.results.keys.sorted() == [0, 2])
        await cluster.stop()
    }

    /// Goal: a machine that slept past its certificate's end comes back by itself, and so does one past half of its life.
    @Test func `a worker whose certificate has expired renews it, and works`() async throws {
        let files = try TrainerFolder(seeds: 1)
        let cluster = try Cluster(files)
        try await cluster.start()
        let life = CertificateAuthority.certificateValidSeconds
        let identity = try cluster.authority.makeIdentity(
            role: .worker,
            name: "a",
            atSeconds: currentSeconds() - life - 25 * 3600
        )
        let peer = Peer(
            role: .worker,
            name: "a",
            keyDigest: identity.key.publicKeyDigest,
            certificateEndSeconds: identity.certificate.validSeconds.upperBound
        )
        #expect(try cluster.store.objection(to: peer, atSeconds: 1) == nil)
        let worker = try cluster.worker("a", identity: identity)
        async let end = worker.run()
        await cluster.waitForEnd()
        #expect(await end == .departed(.dismissed, lastError: nil))
        let renewed = try #require(try Identity(folder: "\(files.path)/a"))
        #expect(renewed.key == identity.key && renewed.certificate.validSeconds.contains(currentSeconds()))
        await cluster.stop()
    }

    @Test func `a banned worker is refused and ends`() async throws {
        let files = try TrainerFolder(seeds: 1)
        let cluster = try Cluster(files)
        try files.order("hang", seed: 0)
        try await cluster.start()
        let worker = try cluster.worker("a")
        async let end = worker.run()
        _ = await cluster.wait { if case .started = $0 { true } else { false } }
        try await cluster.service?.ban("a")
        guard case .refused(let refusal) = await end else {
            Issue.record("it was not refused")
            return
        }
        #expect(refusal.description.contains("a is banned here"))
        #expect(try cluster.results.isEmpty)
        await cluster.stop()
    }

    @Test func `a worker of another authority is not let in`() async throws {
        let files = try TrainerFolder(seeds: 1)
        let cluster = try Cluster(files)
        try await cluster.start()
        let stranger = try CertificateAuthority().makeIdentity(role: .worker, name: "stranger")
        await #expect(throws: (any Error).self) {
            let hello = Hello(version: "t", host: "h", slots: 1, threads: 1, cores: 1, memoryBytes: 1, holding: [])
            _ = try await CoordinatorLink(host: "127.0.0.1", port: cluster.port, identity: stranger, hello: hello)
        }
        #expect(await cluster.service?.snapshot()?.workers == [])
        await cluster.stop()
    }
}
