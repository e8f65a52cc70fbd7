internal import Coordination
internal import Digests
internal import Sweeps
internal import Wire

/// A checkpoint on its way to the coordinator.
struct Upload {
    let lease: Lease
    let checkpoint: TrainerEvent.Checkpointed
    /// The next byte that is sent, and what the coordinator is known to have.
    var next = 0
    var known = 0
    var isOffered = false
}

// Blobs both ways: workers send one checkpoint after the other, in parts, and fetch what an attempt goes on from.
extension SimulatedCluster {
    private static let partBytes = 700

    mutating func upload(_ checkpoint: TrainerEvent.Checkpointed, _ lease: Lease, from index: Int) {
        self.machines[index].uploads.append(Upload(lease: lease, checkpoint: checkpoint))
        if self.machines[index].uploads.count == 1 { self.sendUp(.offer(lease, checkpoint), from: index) }
    }

    /// Sends on from where the coordinator says.
    mutating func sendParts(of digest: Digest, from offset: Int, on index: Int) {
        guard var upload = self.machines[index].uploads.first, upload.checkpoint.digest == digest,
            let content = self.contents[digest]
        else { return }
        if !upload.isOffered, offset > 0 { self.seen.insert(.uploadResumed) }
        upload.isOffered = true
        upload.next = offset < upload.known ? offset : max(upload.next, offset)
        upload.known = offset
        while upload.next < content.count {
            let end = min(upload.next + Self.partBytes, content.count)
            var part = Array(content[upload.next..<end])
            if !self.isWhole(index), self.random.chance(self.swarm.uploadDamageProbability) {
                part[Int(self.random.number(0...Int64(part.count - 1)))] ^= 1
            }
            self.sendUp(
                .part(
                    BlobChunk(digest: digest, offset: upload.next, totalBytes: content.count, bytes: part),
                    upload.lease
                ),
                from: index
            )
            upload.next = end
        }
        // Sending may have broken the connection.
        if !self.machines[index].uploads.isEmpty { self.machines[index].uploads[0] = upload }
    }

    mutating func noteStored(_ digest: Digest, on index: Int) {
        guard let upload = self.machines[index].uploads.first, upload.checkpoint.digest == digest else { return }
        self.sendUp(.checkpoint(upload.lease, upload.checkpoint), from: index)
    }

    mutating func endUpload(of digest: Digest, isRecorded: Bool, on index: Int) {
        guard let upload = self.machines[index].uploads.first, upload.checkpoint.digest == digest else { return }
        self.machines[index].uploads.removeFirst()
        if let next = self.machines[index].uploads.first {
            self.sendUp(.offer(next.lease, next.checkpoint), from: index)
        }
        let token = upload.lease.token
        self.handle(isRecorded ? .uploaded(token, digest) : .uploadRefused(token, digest), on: index)
    }

    // MARK: - At the coordinator

    /// The blobs' own thread: it takes what is wanted, and answers when it is on the disk.
    mutating func hear(_ message: Upward, aboutBlobOn connection: Int) {
        guard let process = self.process else { return }
        let answer: Downward
        switch message {
        case .offer(let lease, let checkpoint) where process.core.wantsBlobs(of: lease):
            answer = self.answer(about: checkpoint.digest) {
                try process.blobs.nextOffset(of: checkpoint.digest, totalBytes: checkpoint.bytes)
            }
        case .offer(_, let checkpoint):
            self.seen.insert(.uploadRefused)
            answer = .refused(checkpoint.digest)
        case .part(let part, _): answer = self.answer(about: part.digest) { try process.blobs.add(part) }
        default: preconditionFailure("\(message) is no blob's")
        }
        guard !self.disk.isProcessGone else { return self.stopCoordinator("it was killed") }
        self.send(.down(answer), on: StreamID(connection: connection, isUp: false))
    }

    /// - Parameter work: gives where the blob's next part begins, or `nil` when it is in place.
    private mutating func answer(about digest: Digest, _ work: () throws -> Int?) -> Downward {
        do {
            return try work().map { .sendFrom(digest, $0) } ?? .stored(digest)
        } catch {
            self.seen.insert(error is BlobError ? .uploadDamaged : .uploadRefused)
            self.note("a checkpoint is not kept: \(error)")
            return .refused(digest)
        }
    }

    static let blobsFolder = "blobs"

    /// Whether the blob lies at the coordinator with every byte.
    func isWhole(_ digest: Digest) -> Bool {
        self.disk.files["\(Self.blobsFolder)/\(digest)"].map { $0.content == self.contents[digest] } ?? false
    }

    // MARK: - Fetching

    /// Gets an attempt ready, once what it goes on from is there.
    mutating func prepare(_ lease: Lease, on index: Int) {
        guard !self.random.chance(self.isCalm ? 0 : self.swarm.preparationFailureProbability) else {
            let failure = Self.infrastructure("no room")
            return self.later(.preparationFailed(lease.token, failure), on: index, within: 1...2000)
        }
        guard let last = self.machines[index].starts[lease.token]?.last else {
            return self.later(.prepared(lease.token), on: index, within: 1...2000)
        }
        self.machines[index].fetches[lease.token] = (lease, last.digest)
        self.sendUp(.fetch(lease, last.digest), from: index)
    }

    /// What an earlier connection did not bring.
    mutating func fetchAgain(on index: Int) {
        for (_, fetch) in self.machines[index].fetches.sorted(by: { $0.key < $1.key }) {
            self.sendUp(.fetch(fetch.lease, fetch.digest), from: index)
        }
    }

    mutating func take(_ bytes: [UInt8]?, of digest: Digest, for lease: Lease, on index: Int) {
        guard self.machines[index].fetches[lease.token]?.digest == digest else { return }
        self.machines[index].fetches[lease.token] = nil
        guard let bytes else {
            // It was superseded meanwhile.
            let failure = Self.infrastructure("there is no blob \(digest.short)")
            return self.handle(.preparationFailed(lease.token, failure), on: index)
        }
        if SHA256.hash(bytes) != digest { self.fail("blob \(digest.short) came with other bytes") }
        self.machines[index].states[lease.token] = SimulatedSweep.state(in: bytes)
        self.later(.prepared(lease.token), on: index, within: 1...2000)
    }
}
