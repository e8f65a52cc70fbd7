public import Coordination
public import Digests
internal import Dispatch
internal import Files
internal import Foundation
public import Logging
public import Sweeps
internal import Synchronization
public import Transport
public import Wire

/// What happens at a coordinator, for people and for the program around it.
public enum CoordinatorNotice: Hashable, Sendable {
    case workerJoined(WorkerName, Hello)
    case workerLost(WorkerName)
    /// - Parameter step: where its checkpoint stands.
    case started(String, by: WorkerName, step: Int)
    case finished(String, by: WorkerName, ShardResult)
    /// A lease that was granted in this process has ended.
    case released(CoreTime)
    case failed(String, AttemptFailure, Coordinator.Verdict)
    /// A worker failed shard after shard and gets none for so long.
    case suspended(WorkerName, seconds: Int, reason: String)
    /// Every worker that is there is suspended, or none of them could ever take what waits: one for this reason.
    case stalled(String)
    /// Shards wait because their checkpoints would not fit; whether nothing runs any more, either.
    case outOfRoom(String, isStalled: Bool)
    /// A shard has run twice, on these workers; where the results differ, in what.
    case ranTwice(String, on: [WorkerName], difference: String?)
    /// Every shard of this sweep is done or given up.
    case sweepEnded(String)
    /// A person cancelled this sweep.
    case sweepCancelled(String)
    /// Every shard of every sweep is done or given up.
    case ended
    /// Everything was handed back, as was asked for.
    case drained
    /// It can no longer write: it has stopped, and nothing that it acknowledged is lost.
    case broken(String)
}

/// On what terms machines join by a file.
private struct JoinTerms {
    var file: JoinFile
    var host: String
    var port: Int
    var uses: Int
    var validSeconds: Int64
}

/// A coordinator at work: its port, its store, its blobs.
public final class CoordinatorService: Sendable {
    let store: Store
    private let checkpoints: CheckpointDisk
    private var blobs: BlobStore { self.checkpoints.blobs }
    let loop: CoordinatorLoop
    private let state: StateFolder
    private let policy: EnrolmentPolicy
    /// Makes a sweep of a grid's text; the file's name is for errors.
    let plan: (@Sendable (_ grid: String, _ file: String) async throws -> SweepPlan)?
    private let authority: CertificateAuthority
    let logger: Logger
    let listener = Mutex<Listener?>(nil)
    /// What the workers that are connected said of themselves, and on which link.
    let hellos = Mutex<[WorkerName: (link: ObjectIdentifier, hello: Hello)]>([:])
    /// By what file machines join, where there is one.
    private let joining = Mutex<JoinTerms?>(nil)
    /// Links that may still have something to send.
    private let openLinks = Mutex(0)
    /// Files that lie elsewhere and are served by digest, and the written manifests of their folders.
    private let served = Mutex(ServedFiles())
    /// Blobs are read and written here, one at a time: never on the pool that the network's tasks share.
    private let disk = DispatchQueue(label: "blobs")
    /// Quintet's version, for people.
    let version: String

    /// Notices in order; for one reader.
    public let notices: AsyncStream<CoordinatorNotice>

    /// Gets everything ready; ``start(host:port:)`` opens the port.
    ///
    /// - Parameters:
    ///   - state: locked by the caller.
    ///   - sweeps: those of the store that are to go on.
    ///   - dismissesWorkers: whether workers are let go once every sweep is over.
    ///   - diskBytes: the most that checkpoints may take; without it, what the disk has.
    ///   - plan: makes a sweep of a grid that an operator submits; without it none is taken.
    /// - Throws: ``StoreError``, `StorageError`, `CertificateError` in one clear line.
    public init(
        state: StateFolder,
        store: Store,
        authority: CertificateAuthority,
        sweeps: [StoredSweep],
        dismissesWorkers: Bool = true,
        diskBytes: Int? = nil,
        version: String,
        logger: Logger,
        limits: Coordinator.Limits = Coordinator.Limits(),
        policy: EnrolmentPolicy = EnrolmentPolicy(),
        plan: (@Sendable (_ grid: String, _ file: String) async throws -> SweepPlan)? = nil
    ) throws {
        self.plan = plan
        self.state = state
        self.policy = policy
        self.store = store
        self.authority = authority
        self.logger = logger
        self.version = version
        let blobs = try BlobStore(folder: state.blobs, countsBytes: diskBytes != nil)
        self.checkpoints = CheckpointDisk(blobs: blobs, quotaBytes: diskBytes)
        try blobs.removeAll(except: try store.referredBlobs())
        store.removeCopies()
        let (notices, continuation) = AsyncStream<CoordinatorNotice>.makeStream()
        self.notices = notices
        self.loop = CoordinatorLoop(
            store: store,
            disk: self.checkpoints,
            dismissesAtEnd: dismissesWorkers
        ) { continuation.yield($0) }
        let epoch = try store.beginEpoch()
        self.loop.start(Coordinator(epoch: epoch, limits: limits, seed: UInt64.random(in: .min ... .max)))
        for sweep in sweeps { try self.submit(sweep) }
    }

    /// Takes in a sweep that the store has; one that is there takes its new terms and shards.
    public func submit(_ sweep: StoredSweep) throws(StoreError) {
        let folders = try self.store.folders(of: sweep.name)
        let submitted = try SubmittedSweep(sweep, in: self.store)
        self.served.withLock { $0.add(folders) }
        self.loop.post(.submitted(submitted))
    }

    /// Pauses, cancels or weighs a sweep anew.
    public func change(_ terms: SweepTerms) { self.loop.post(.event(.sweepChanged(terms))) }

    /// Gives shards that were given up all their tries again.
    public func retry(_ keys: [ShardKey]) { self.loop.post(.event(.retryRequested(keys))) }

    /// Opens the port; 0 lets the system choose.
    ///
    /// - Parameter advertised: what other machines reach the port by, where that is not this machine's address.
    /// - Returns: the port.
    /// - Throws: `ConnectionError` where the port cannot be had.
    public func start(
        host: String,
        port: Int,
        limits: ListenerLimits = ListenerLimits(),
        advertised: ((_ port: Int) throws -> (host: String, port: Int))? = nil
    ) async throws -> Int {
        let identity = try self.authority.makeIdentity(role: .coordinator, name: "coordinator")
        let enrolment = EnrolmentService(
            authority: self.authority,
            validSeconds: self.policy.certificateSeconds
        ) { [store = self.store, policy = self.policy] request in
            do {
                return try store.decide(request, policy: policy, atSeconds: currentSeconds())
            } catch {
                return .refuse("the coordinator cannot write its store")
            }
        }
        let listener = try await Listener.start(
            host: host,
            port: port,
            identity: identity,
            previous: try self.authority.previousIdentity(folder: self.state.authority),
            admits: [.worker, .operator],
            limits: limits,
            logger: self.logger,
            enrol: enrolment
        ) { [weak self] connection in await self?.serve(connection) }
        self.listener.withLock { $0 = listener }
        var address = CoordinatorAddress(host: host, port: listener.port)
        if let advertised { (address.reachableHost, address.reachablePort) = try advertised(listener.port) }
        try address.save(self.state)
        return listener.port
    }

    /// A line by which so many machines may join until then; one with an earlier line's token replaces that line.
    public func joinLine(
        host: String,
        port: Int,
        uses: Int,
        validSeconds: Int64,
        token: JoinToken = JoinToken()
    ) throws(StoreError) -> JoinLine {
        try self.store.addJoinToken(token, uses: uses, validUntilSeconds: currentSeconds() + validSeconds)
        return JoinLine(
            host: host,
            port: port,
            token: token,
            authorityKeyDigest: self.authority.publicKeyDigest
        )
    }

    /// Lets machines join by a file. The token that stands in it goes on being good, unless somebody who knows it was
    /// banned: then there is a new one at once. Nothing is written where the file says all there is to say; where it has
    /// to be and is only to be read, nobody new gets in, and the log says what to do.
    ///
    /// - Parameter host: where machines that read the file reach this coordinator.
    /// - Throws: ``StoreError``; as ``JoinFile/read()`` and ``JoinFile/write(_:)``.
    public func letIn(by file: JoinFile, host: String, port: Int, uses: Int, validSeconds: Int64) throws {
        self.joining.withLock {
            $0 = JoinTerms(file: file, host: host, port: port, uses: uses, validSeconds: validSeconds)
        }
        try self.renewJoinFile()
    }

    func renewJoinFile() throws {
        guard let terms = self.joining.withLock({ $0 }) else { return }
        let before = try terms.file.read()
        var token = JoinToken()
        if let before, before.authorityKeyDigest == self.authority.publicKeyDigest,
            try !self.store.hasLetInBanned(before.token)
        {
            token = before.token
        }
        let line = try self.joinLine(
            host: terms.host,
            port: terms.port,
            uses: terms.uses,
            validSeconds: terms.validSeconds,
            token: token
        )
        guard line != before else { return }
        do throws(StorageError) {
            try terms.file.write(line)
        } catch {
            guard before != nil, [EROFS, EACCES, EPERM].contains(error.code) else { throw error }
            self.logger.warning(
                """
                nobody new can join: \(terms.file.path) is another authority's, or somebody who knows it was banned, and it \
                cannot be written; make a new one by quintet invite
                """
            )
        }
    }

    /// Grants nothing more and has everything handed back; ``CoordinatorNotice/drained`` follows.
    public func drain() { self.loop.post(.event(.drainRequested)) }

    /// Where a sweep stands, or all of them together; `nil` once the coordinator has stopped.
    public func snapshot(of sweep: String? = nil) async -> CoordinatorSnapshot? {
        await self.loop.ask { coordinator, names in
            let counts = coordinator.counts(of: sweep)
            return CoordinatorSnapshot(
                total: counts.total,
                done: counts.done,
                failed: counts.failed + counts.quarantined,
                running: coordinator.running.map { attempt in
                    RunningShard(
                        key: attempt.lease.key,
                        name: names[attempt.lease.key] ?? attempt.lease.key.short,
                        worker: attempt.worker,
                        progress: attempt.progress
                    )
                },
                workers: coordinator.workers,
                standing: coordinator.terms.first { $0.name == sweep }?.standing
            )
        }
    }

    /// How long a worker may take to read the last words that were meant for it.
    private static let farewellSeconds = 2

    /// Closes the port and stops, after what was said before is durable and workers have read what was sent to them.
    public func shutdown() async {
        await self.loop.stop()
        let deadline = ContinuousClock.now + .seconds(Self.farewellSeconds)
        while self.openLinks.withLock({ $0 }) > 0, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(10))
        }
        CoordinatorAddress.remove(self.state)
        await self.listener.withLock { $0.take() }?.shutdown()
    }
}

// MARK: - One worker's connection

extension CoordinatorService {
    private func serve(_ connection: Connection) async {
        switch connection.peer.role {
        case .operator: await self.serve(operator: connection)
        case .worker: await self.serve(worker: connection)
        case .coordinator: preconditionFailure("the listener admits no coordinator")
        }
    }

    private func serve(worker connection: Connection) async {
        let worker = connection.peer.name
        do {
            // Its hello is read first: a connection that ends with something unread may end before the refusal arrives.
            guard let frame = try await connection.next() else { return }
            guard case .hello(let hello) = try WorkerMessage(frame) else {
                throw MessageError.unexpected("its first message is no hello")
            }
            let objection = try self.store.objection(to: connection.peer, atSeconds: currentSeconds())
            if let objection = objection ?? hello.objection { return try await self.refuse(connection, objection) }
            try await connection.send(CoordinatorMessage.welcome(Welcome(version: self.version)).frame())
            let link = WorkerLink(connection)
            await withDiscardingTaskGroup { group in
                self.openLinks.withLock { $0 += 1 }
                group.addTask {
                    await link.run()
                    self.openLinks.withLock { $0 -= 1 }
                }
                self.hellos.withLock { $0[worker] = (link.id, hello) }
                self.loop.post(.joined(worker, hello, link))
                await self.listen(to: connection, of: worker, link)
                self.hellos.withLock { if $0[worker]?.link == link.id { $0[worker] = nil } }
                self.loop.post(.lost(worker, link.id))
                link.close()
            }
        } catch {
            self.tell(error, of: worker, connection)
        }
    }

    private func refuse(_ connection: Connection, _ objection: String) async throws {
        self.logger.notice("refused worker \(connection.peer.name) at \(connection.address): \(objection)")
        try await connection.send(CoordinatorMessage.refused(reason: objection).frame())
        try await connection.finish()
    }

    /// What a connection itself came up against is told by the listener.
    private func tell(_ error: any Error, of worker: WorkerName, _ connection: Connection) {
        guard let error = error as? MessageError else { return }
        self.logger.notice("cut off worker \(worker) at \(connection.address): \(error)")
    }

    private func listen(to connection: Connection, of worker: WorkerName, _ link: WorkerLink) async {
        do {
            while let frame = try await connection.next() {
                let message = try WorkerMessage(frame)
                switch message {
                case .hello: throw MessageError.unexpected("it said hello twice")
                case .offer(let offer): try await link.answer(await self.answer(offer))
                case .chunk(let chunk): try await link.answer(await self.store(chunk))
                case .fetch(let range): try await link.answer(await self.read(range))
                default:
                    let text = WorkerMessage.resultText(in: frame)
                    guard self.loop.post(.said(worker, message, resultText: text, link.id)) else {
                        return connection.close()
                    }
                }
            }
        } catch {
            self.tell(error, of: worker, connection)
        }
        connection.close()
    }

    private func answer(_ offer: BlobOffer) async -> CoordinatorMessage {
        guard offer.bytes >= 0, offer.bytes <= self.blobs.blobBytesLimit else {
            return .uploadRefused(offer.digest, reason: "it has \(offer.bytes) bytes, over the limit")
        }
        guard await self.loop.ask({ coordinator, _ in coordinator.wantsBlobs(of: offer.lease) }) == true else {
            return .uploadRefused(offer.digest, reason: "its shard has a result")
        }
        return await self.onDisk(offer.digest) { blobs in
            guard let offset = try blobs.nextOffset(of: offer.digest, totalBytes: offer.bytes) else { return nil }
            try self.requireRoom(for: offer.digest, bytes: offer.bytes - offset)
            return offset
        }
    }

    private func store(_ chunk: BlobChunk) async -> CoordinatorMessage {
        await self.onDisk(chunk.digest) { blobs in
            try self.requireRoom(for: chunk.digest, bytes: chunk.bytes.count)
            return try blobs.add(chunk)
        }
    }

    /// A blob that does not fit is not begun, or not gone on with.
    private func requireRoom(for digest: Digest, bytes: Int) throws(BlobError) {
        let room = self.checkpoints.room()
        guard bytes > room.bytes, !self.blobs.contains(digest) else { return }
        self.blobs.removePartial(digest)
        throw BlobError("there is no room for its \(bytes >> 10) KiB: \(room.bound)")
    }

    /// A blob that cannot be stored is refused and no more: its shard can do without.
    ///
    /// - Parameter work: gives where the blob's next part begins, or `nil` when it is in place.
    private func onDisk(
        _ digest: Digest,
        _ work: @escaping @Sendable (BlobStore) throws -> Int?
    ) async -> CoordinatorMessage {
        await self.onDisk { [blobs = self.blobs, logger = self.logger] in
            do {
                return try work(blobs).map { .sendFrom(digest, offset: $0) } ?? .stored(digest)
            } catch {
                logger.error("checkpoint \(digest.short) is not kept: \(error)")
                return .uploadRefused(digest, reason: "\(error)")
            }
        }
    }

    private func read(_ range: BlobRange) async -> CoordinatorMessage {
        let served = self.served.withLock { $0 }
        return await self.onDisk { [blobs = self.blobs] in
            do {
                if let chunk = try served.manifestChunk(range) { return .chunk(chunk) }
                let path = served.files[range.digest] ?? blobs.path(of: range.digest)
                return .chunk(
                    try BlobStore.chunk(of: range.digest, file: path, offset: range.offset, count: range.count)
                )
            } catch {
                return .downloadRefused(range.digest, reason: "\(error)")
            }
        }
    }

    private func onDisk(_ work: @escaping @Sendable () -> CoordinatorMessage) async -> CoordinatorMessage {
        await withCheckedContinuation { continuation in
            self.disk.async { continuation.resume(returning: work()) }
        }
    }
}
