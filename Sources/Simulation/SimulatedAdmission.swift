internal import Coordination
internal import CoordinatorShell
internal import Digests
internal import Transport
internal import Wire

// Whom a coordinator speaks with.
extension SimulatedCluster {
    /// Lets a worker in, or says why not.
    mutating func admit(_ worker: Int, release: Int, _ hello: Hello, on connection: Int) {
        guard let process = self.process else { return }
        let name = self.machines[worker].name
        var hello = hello
        hello.protocolVersion += release - self.release
        var objection: String?
        do {
            let peer = Peer(role: .worker, name: name, keyDigest: SHA256.hash(name), certificateEndSeconds: 1)
            objection = try process.store.objection(to: peer, atSeconds: 1)
        } catch {
            if self.disk.isProcessGone { return self.stopCoordinator("\(error)") }
            return self.hangUp(connection)
        }
        let isBanned = self.model.banned.contains(name)
        if isBanned != (objection != nil) { self.fail("\(name), banned: \(isBanned), hears \(objection ?? "nothing")") }
        if isBanned { self.seen.insert(.bannedKnocked) }
        objection = objection ?? hello.objection
        if let objection {
            if !isBanned {
                self.seen.insert(.refusedVersion)
                let isClear = objection.contains("the worker speaks protocol \(hello.protocolVersion) ")
                if !isClear || release == self.release { self.fail("\(name) is refused: \(objection)") }
            }
            self.send(.down(.refusedWorker(objection)), on: StreamID(connection: connection, isUp: false))
            return self.hangUp(connection)
        }
        self.links[connection]?.isAdmitted = true
        self.send(.down(.welcome), on: StreamID(connection: connection, isUp: false))
        self.post(.joined(worker: worker, connection: connection, hello))
    }

    /// Shuts a worker out durably, then lets go of it. Comes before all that waits with it.
    ///
    /// - Returns: whether that is durable.
    mutating func ban(_ worker: Int) -> Bool {
        guard let process = self.process else { return false }
        let name = self.machines[worker].name
        do {
            try self.commit(self.model.banning(name)) { () throws(StoreError) in try process.store.ban(name) }
        } catch {
            self.seen.insert(.banLost)
            self.note("\(name) cannot be banned: \(error)")
            return false
        }
        self.note("\(name) is banned")
        self.schedule(.approve(worker), within: 1...2 * self.swarm.restartMeanMilliseconds)
        self.seen.insert(.banned)
        if process.core.running.contains(where: { $0.worker == name }) { self.seen.insert(.bannedAtWork) }
        self.process?.links[name] = nil
        // Those on which it is not listened to yet, or any more, end too.
        for (connection, link) in self.links.sorted(by: { $0.key < $1.key })
        where link.worker == worker && link.coordinatorEnd {
            self.hangUp(connection)
        }
        return true
    }

    /// Lets a banned worker back in, as soon as a coordinator is there to be asked; after the calm the healed ones only.
    mutating func approve(_ index: Int) {
        let name = self.machines[index].name
        guard !self.isCalm || self.core.contains(index) else { return }
        guard let process = self.process, process.pausedUntil <= self.now.milliseconds else {
            return self.schedule(.approve(index), within: 500...1000)
        }
        guard self.model.banned.contains(name) else { return }
        do {
            try self.commit(self.model.banning(name, false)) { () throws(StoreError) in
                try process.store.approve(name)
            }
            self.isUnchecked = true
            self.seen.insert(.approved)
            self.note("\(name) is let back in")
        } catch {
            if self.disk.isProcessGone { return self.stopCoordinator("\(error)") }
            self.schedule(.approve(index), within: 500...1000)
        }
    }
}
