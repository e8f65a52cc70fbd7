internal import Coordination
internal import CoordinatorShell
internal import Wire

// The beginning and the end of a coordinator's process.
extension SimulatedCluster {
    mutating func startCoordinator() {
        guard self.process == nil else { return }
        self.isRestarting = false
        do {
            try self.openStore()
        } catch {
            self.note("the coordinator cannot start: \(error)")
            self.endCoordinator()
        }
    }

    static let storeFile = "quintet.sqlite"

    func openFile(logPagesLimit: Int) throws(StoreError) -> Store {
        let disk = self.disk
        return try Store(
            writing: Self.storeFile,
            on: Store.FileSystem(
                name: self.fileSystem.name,
                logPagesLimit: logPagesLimit,
                renew: { try disk.renew($0) },
                content: { disk.files[$0]?.content }
            )
        )
    }

    private mutating func openStore() throws {
        let copy = self.damageFile()
        let store: Store
        do {
            store = try self.openFile(logPagesLimit: self.swarm.logPagesLimit)
        } catch {
            if let copy { self.noteRefusal(of: error, restoring: copy) }
            throw error
        }
        if let copy {
            if self.mayBeUnnoticed {
                // Known: a page of a table without rows, over one with rows, is whole in itself; and a last commit that
                // is damaged looks like one that the crash tore.
                try? store.close()
                self.disk.endProcess()
                self.disk.restore(copy)
                throw StoreError("its damage may have gone unnoticed")
            }
            self.seen.insert(.damageHarmless)
        }
        try self.checkOpened(store)
        guard self.violation == nil else { return }
        if self.random.chance(0.2), self.model.knownShards.contains(where: { $0.isGivenUp }) {
            self.seen.insert(.retried)
            let failed = self.model.knownShards.filter(\.isGivenUp)
            try self.commit(self.model.applying(failed.map { .retried($0.key) })) { () throws(StoreError) in
                _ = try store.retry([.failed, .quarantined], of: SimulatedSweep.name)
            }
        }
        if self.lives > 0, self.shardCount < SimulatedSweep.shardsLimit, !self.isCalm, self.random.chance(0.1) {
            self.seen.insert(.grown)
            self.shardCount += 1
        }
        let sweep = SimulatedSweep.all[self.shardCount - 1]
        var next = self.model
        next.submit(sweep.keys)
        try self.commit(next) { () throws(StoreError) in
            _ = try store.submit(sweep.sweep, shards: sweep.shards, folders: [])
        }
        for index in self.machines.indices where self.model.banned.contains(self.machines[index].name) {
            self.schedule(.approve(index), within: 1...2 * self.swarm.restartMeanMilliseconds)
        }
        let blobs = try BlobStore(folder: Self.blobsFolder, files: DiskBlobFiles(self.disk))
        if try blobs.all().contains(where: self.removedBlobs.contains) { self.seen.insert(.blobReturned) }
        try blobs.removeAll(except: try store.referredBlobs())
        self.removedBlobs = []
        let epoch = try store.beginEpoch()
        if epoch <= self.epochs { self.fail("epoch \(epoch) after \(self.epochs)") }
        self.epochs = epoch
        self.lives += 1
        self.note("the coordinator starts epoch \(epoch)")
        self.process = CoordinatorProcess(
            life: self.lives,
            core: Coordinator(epoch: epoch),
            store: store,
            blobs: blobs,
            clock: self.newClock()
        )
        self.post(.event(.submitted(sweep.sweep.terms, try store.knownShards(of: SimulatedSweep.name))))
    }

    /// The process ends by itself, after a write that failed or because the power went meanwhile.
    mutating func stopCoordinator(_ reason: String) {
        self.note("the coordinator stops: \(reason)")
        self.endCoordinator()
    }

    /// As told: what is left to be written is, and the store is closed.
    mutating func closeCoordinator() {
        guard let process = self.process else { return }
        if !process.lazyEntries.isEmpty {
            do {
                try self.commit(self.model.applying(process.lazyEntries)) { () throws(StoreError) in
                    try process.store.apply(process.lazyEntries)
                }
            } catch {
                return self.stopCoordinator("\(error)")
            }
        }
        try? process.store.close()
        self.endCoordinator()
    }

    mutating func killCoordinator(withPower: Bool) {
        guard self.process != nil else {
            // What an earlier process left behind may still be on its way to the disk.
            guard !withPower else { return }
            self.isUnchecked = true
            self.disk.losePower()
            return self.disk.endProcess()
        }
        self.seen.insert(withPower ? .coordinatorKilled : .powerLost)
        self.note(withPower ? "the coordinator is killed" : "the coordinator's machine loses its power")
        if !withPower { self.disk.losePower() }
        self.endCoordinator()
    }

    private mutating func endCoordinator() {
        self.isUnchecked = true
        // The power may have gone during a write.
        let hasPower = !self.disk.hasLostPower
        self.disk.endProcess()
        self.process = nil
        for (connection, link) in self.links.sorted(by: { $0.key < $1.key }) where link.coordinatorEnd {
            if hasPower { self.hangUp(connection) } else { self.closeCoordinatorEnd(connection) }
        }
        self.isRestarting = true
        let wait = self.isCalm ? 1000 : self.swarm.restartMeanMilliseconds
        self.schedule(.startCoordinator, within: 100...100 + wait)
    }
}
