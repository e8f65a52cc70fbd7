internal import Coordination
internal import Digests
internal import Sweeps
internal import Wire

// Connections as workers and coordinators see them: bytes come in order or not at all, each end may be gone without
// the other's knowing, and either way may be blocked by itself.

/// From a worker to the coordinator.
enum Upward {
    /// - Parameter release: of the worker's program.
    case hello(Hello, release: Int)
    case heartbeat([Lease])
    case offer(Lease, TrainerEvent.Checkpointed)
    case part(BlobChunk, Lease)
    case fetch(Lease, Digest)
    case checkpoint(Lease, TrainerEvent.Checkpointed)
    case report(Lease, Outcome)
    case handBack(Lease)
    case draining
}

/// From the coordinator to a worker.
enum Downward {
    case welcome
    case refusedWorker(String)
    case heartbeat
    case grant(Lease, Checkpoints)
    case revoke(Lease)
    case handBack([Lease])
    case settled(Lease)
    case sendFrom(Digest, Int)
    case stored(Digest)
    case accepted(Digest)
    case refused(Digest)
    case missing(Lease, Digest)
    case fetched(Lease, Digest, [UInt8]?)
    case dismissed
}

enum Message {
    case up(Upward)
    case down(Downward)
    /// The other end is closed.
    case closed

    /// What it takes of a path's capacity.
    var bytes: Int {
        switch self {
        case .up(.part(let part, _)): part.bytes.count
        case .down(.fetched(_, _, let bytes)): bytes?.count ?? 20
        default: 20
        }
    }
}

struct StreamID: Hashable {
    let connection: Int
    let isUp: Bool
}

/// One way of a connection.
struct Stream {
    var queue: [(ready: Int64, message: Message)] = []
    /// Whether the agenda knows of it.
    var isScheduled = false
    var clogUntil: Int64 = 0
    /// When all that was sent is on its way.
    var busyUntil: Int64 = 0
}

struct Link {
    let worker: Int
    /// Whether each side still has its end open.
    var workerEnd = true
    var coordinatorEnd = true
    /// Whether the coordinator has let the worker in.
    var isAdmitted = false
    var up = Stream()
    var down = Stream()
    /// When the worker last heard anything.
    var heardAt: Int64

    subscript(isUp isUp: Bool) -> Stream {
        get { isUp ? self.up : self.down }
        set { if isUp { self.up = newValue } else { self.down = newValue } }
    }
}

extension SimulatedCluster {
    /// How long a worker hears nothing before it hangs up.
    static let idleMilliseconds: Int64 = 30_000

    func isWhole(_ worker: Int) -> Bool { self.isCalm && self.core.contains(worker) }

    mutating func send(_ message: Message, on id: StreamID) {
        guard let link = self.links[id.connection] else { return }
        let begin = max(self.now.milliseconds, link[isUp: id.isUp].busyUntil)
        if begin > self.now.milliseconds + 1000, message.bytes == 20 { self.seen.insert(.headOfLine) }
        let busyUntil = begin + Int64(message.bytes) * 1000 / self.swarm.bytesPerSecond
        self.links[id.connection]?[isUp: id.isUp].busyUntil = busyUntil
        var ready = busyUntil + self.swarm.delayLeastMilliseconds
        ready += self.random.wait(mean: self.swarm.delayMeanMilliseconds)
        if !self.isWhole(link.worker) {
            if self.random.chance(self.swarm.lossProbability) {
                ready += self.random.number(200...3000)
                if self.random.chance(0.02) { return self.cut(id.connection) }
            }
            if self.random.chance(self.swarm.clogProbability) {
                self.seen.insert(.clogged)
                let until = self.now.milliseconds + self.random.wait(mean: self.swarm.clogMeanMilliseconds)
                self.links[id.connection]?[isUp: id.isUp].clogUntil = until
            }
        }
        self.links[id.connection]?[isUp: id.isUp].queue.append((ready, message))
        self.scheduleDelivery(on: id)
    }

    private mutating func scheduleDelivery(on id: StreamID) {
        guard let stream = self.links[id.connection]?[isUp: id.isUp], !stream.isScheduled,
            let first = stream.queue.first
        else { return }
        self.links[id.connection]?[isUp: id.isUp].isScheduled = true
        self.schedule(.deliver(id), at: max(first.ready, self.now.milliseconds + 1))
    }

    /// Looks again at what a healed path held back.
    mutating func wakeStreams(of worker: Int) {
        for connection in self.links.filter({ $0.value.worker == worker }).keys.sorted() {
            self.scheduleDelivery(on: StreamID(connection: connection, isUp: true))
            self.scheduleDelivery(on: StreamID(connection: connection, isUp: false))
        }
    }

    mutating func deliver(_ id: StreamID) {
        guard let link = self.links[id.connection] else { return }
        let (machine, stream) = (self.machines[link.worker], link[isUp: id.isUp])
        self.links[id.connection]?[isUp: id.isUp].isScheduled = false
        let blocked = max(
            stream.clogUntil,
            id.isUp
                ? max(machine.upBlockedUntil, self.process?.pausedUntil ?? 0)
                : max(machine.downBlockedUntil, machine.pausedUntil)
        )
        guard blocked <= self.now.milliseconds else {
            // What is blocked for good is woken by a healing, if by anything.
            guard blocked != .max else { return }
            self.links[id.connection]?[isUp: id.isUp].isScheduled = true
            return self.schedule(.deliver(id), at: blocked)
        }
        guard let (_, message) = stream.queue.first else { return }
        self.links[id.connection]?[isUp: id.isUp].queue.removeFirst()
        self.receive(message, on: id, from: link.worker)
        if self.isRepeatable(message), !self.isWhole(link.worker), self.random.chance(self.swarm.replayProbability) {
            self.seen.insert(.repeated)
            self.receive(message, on: id, from: link.worker)
        }
        self.scheduleDelivery(on: id)
    }

    /// A connection begins and ends once; all else must bear to come twice.
    private func isRepeatable(_ message: Message) -> Bool {
        switch message {
        case .up(.hello), .down(.welcome), .down(.refusedWorker), .closed: false
        default: true
        }
    }

    private mutating func receive(_ message: Message, on id: StreamID, from worker: Int) {
        guard let link = self.links[id.connection] else { return }
        let name = self.machines[worker].name
        switch message {
        case .up(let message):
            guard link.coordinatorEnd else {
                // Whoever runs there now knows nothing of this connection.
                if self.process != nil { self.send(.closed, on: StreamID(connection: id.connection, isUp: false)) }
                return
            }
            self.note("\(name) → coordinator: \(message)")
            self.hear(message, on: id.connection, from: worker)
        case .down(let message):
            guard link.workerEnd else {
                if self.machines[worker].worker != nil {
                    self.send(.closed, on: StreamID(connection: id.connection, isUp: true))
                }
                return
            }
            self.note("coordinator → \(name): \(message)")
            self.links[id.connection]?.heardAt = self.now.milliseconds
            self.tell(message, to: worker)
        case .closed where id.isUp:
            self.closeCoordinatorEnd(id.connection)
            self.post(.lost(worker: worker, connection: id.connection))
        case .closed: self.closeWorkerEnd(id.connection)
        }
    }

    // MARK: - Ends

    /// Hangs up at the worker and tells its machine.
    private mutating func closeWorkerEnd(_ connection: Int) {
        guard let link = self.links[connection], link.workerEnd else { return }
        self.links[connection]?.workerEnd = false
        if !link.coordinatorEnd { self.links[connection] = nil }
        guard self.machines[link.worker].connection == connection else { return }
        self.machines[link.worker].connection = nil
        self.later(.disconnected(jitter: self.random.jitter), on: link.worker, within: 0...5)
    }

    mutating func closeCoordinatorEnd(_ connection: Int) {
        guard let link = self.links[connection], link.coordinatorEnd else { return }
        self.links[connection]?.coordinatorEnd = false
        if !link.workerEnd { self.links[connection] = nil }
    }

    /// The coordinator hangs up, and the worker hears of it.
    mutating func hangUp(_ connection: Int) {
        self.send(.closed, on: StreamID(connection: connection, isUp: false))
        self.closeCoordinatorEnd(connection)
    }

    /// The worker's process ends; its system says so, if it still has power.
    mutating func dropWorkerEnd(_ connection: Int, saysSo: Bool) {
        if saysSo { self.send(.closed, on: StreamID(connection: connection, isUp: true)) }
        self.links[connection]?.workerEnd = false
        if self.links[connection]?.coordinatorEnd == false { self.links[connection] = nil }
    }

    /// Both ends hear that the connection broke.
    mutating func cut(_ connection: Int) {
        guard let link = self.links[connection] else { return }
        self.note("the connection of \(self.machines[link.worker].name) breaks")
        self.closeWorkerEnd(connection)
        guard self.links[connection]?.coordinatorEnd == true else { return }
        self.closeCoordinatorEnd(connection)
        self.post(.lost(worker: link.worker, connection: connection))
    }

    /// A worker that has heard nothing for too long hangs up.
    mutating func checkIdle(_ connection: Int) {
        guard let link = self.links[connection], link.workerEnd else { return }
        let due = link.heardAt + Self.idleMilliseconds
        guard due <= self.now.milliseconds, self.machines[link.worker].pausedUntil <= self.now.milliseconds else {
            let pausedUntil = self.machines[link.worker].pausedUntil
            guard pausedUntil != .max else { return }
            // After standing still it first reads what has come meanwhile.
            return self.schedule(.idle(connection: connection), at: max(due, pausedUntil + 1000))
        }
        self.seen.insert(.deafWorker)
        self.send(.closed, on: StreamID(connection: connection, isUp: true))
        self.closeWorkerEnd(connection)
    }

    /// What a dial comes to.
    mutating func connect(_ index: Int, holding: [Lease]) {
        let machine = self.machines[index]
        let isReachable = max(machine.upBlockedUntil, machine.downBlockedUntil) <= self.now.milliseconds
        let answers = (self.process?.pausedUntil ?? .max) <= self.now.milliseconds
        let fails = !self.isWhole(index) && self.random.chance(self.swarm.dialFailureProbability)
        guard isReachable, answers, !fails, let worker = machine.worker else {
            let wait: ClosedRange<Int64> = isReachable && self.process == nil ? 1...50 : 1000...10_000
            return self.later(.disconnected(jitter: self.random.jitter), on: index, within: wait)
        }
        self.connections += 1
        let connection = self.connections
        self.links[connection] = Link(worker: index, heardAt: self.now.milliseconds)
        self.machines[index].connection = connection
        self.schedule(.idle(connection: connection), at: self.now.milliseconds + Self.idleMilliseconds)
        let hello = Hello(
            version: "\(machine.release)",
            host: machine.name,
            slots: worker.slots,
            threads: 1,
            cores: 1,
            memoryBytes: 1 << 40,
            holding: holding
        )
        self.sendUp(.hello(hello, release: machine.release), from: index)
    }
}

extension SeededGenerator {
    /// What a worker spreads its dials with.
    var jitter: Double { mutating get { Double(self.next() >> 11) * 0x1p-53 } }
}
