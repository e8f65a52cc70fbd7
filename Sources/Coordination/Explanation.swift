public import Digests
public import Sweeps

// Why something is as it is, for people.
extension Coordinator {
    /// Why a shard is where it is, line by line: its state first, then what stands in its way. `nil` for one that
    /// nobody knows.
    public func explain(_ key: ShardKey, at now: Instant) -> [String]? {
        guard let entry = self.shards[key] else { return nil }
        var lines: [String]
        switch entry.state {
        case .done: lines = ["it is done"]
        case .failed: lines = ["it failed, and would again anywhere; mend its cause, then quintet resume --failed"]
        case .quarantined: lines = ["it is quarantined; mend its cause, then quintet resume --quarantined"]
        case .leased(let first, let twin):
            lines = [first, twin].compactMap { $0 }.map { token in
                guard let lease = self.leases[token] else { preconditionFailure("\(token) is not live") }
                let progress = lease.progress.map { ", step \($0.step) of \($0.steps)" } ?? ""
                return "it runs on \(lease.worker) for \(Self.seconds(lease.grantedAt, now)) s\(progress)"
                    + (token == twin ? ", as a twin: the first run is late" : "")
            }
        case .queued(let notBefore?): lines = ["it is tried again in \(Self.seconds(now, notBefore)) s"]
        case .queued(nil): lines = ["it waits"] + self.obstacles(entry, at: now)
        }
        lines += entry.failures.experiment.map { "it failed on \($0.worker): \($0.failure.message)" }
        if entry.failures.infrastructure > 0 {
            let last = entry.failures.last.map { ", the last time: \($0.message)" } ?? ""
            lines.append("it was lost \(entry.failures.infrastructure) times in a row\(last)")
        }
        if let last = entry.checkpoints.last {
            let kernels = entry.checkpoints.kernelClass.map { " (kernels: \($0))" } ?? ""
            lines.append("it goes on from step \(last.step)\(kernels)")
        }
        return lines
    }

    private func obstacles(_ entry: Entry, at now: Instant) -> [String] {
        if self.isDraining { return ["the coordinator is stopping"] }
        if entry.sweeps.isEmpty { return ["no sweep has it any more"] }
        guard self.isWanted(entry) else {
            return entry.sweeps.map { "sweep \(self.sweeps[$0].terms.name) is \(self.sweeps[$0].terms.standing)" }
        }
        if self.members.isEmpty { return ["no worker is connected"] }
        let bytes = entry.demand.checkpointBytes
        if bytes > self.roomLeft { return ["there is no room for it: \(self.reason(for: bytes))"] }
        return self.members.sorted { $0.key < $1.key }.map { worker, member in
            "worker \(worker) \(self.obstacle(worker, member, for: entry, at: now))"
        }
    }

    /// Why a worker does not get a shard, for people.
    func obstacle(_ worker: WorkerName, _ member: Member, for entry: Entry, at now: Instant) -> String {
        if let obstacle = self.obstacle(worker, member, at: now) { return obstacle }
        let lacking = entry.needs.labels.subtracting(member.capacity.labels).sorted()
        if let label = lacking.first { return "lacks the label \(label)" }
        if let kernels = entry.needs.kernelClass, !member.capacity.kernels.contains(kernels) {
            return "cannot run the \(kernels) kernels"
        }
        if !member.couldFit(entry.needs) {
            return "has \(member.capacity.memoryBytes >> 20) MiB, and it needs \(entry.needs.memoryBytes >> 20)"
        }
        if entry.failures.names(worker) { return "failed it before; another is waited for" }
        if member.leases.count >= member.capacity.slots { return "has no free slot" }
        if !member.fits(entry.needs) {
            let free = (member.capacity.memoryBytes - member.memoryBytes) >> 20
            return "has \(free) MiB left, and it needs \(entry.needs.memoryBytes >> 20)"
        }
        return "serves others first"
    }

    /// How a worker does, line by line; `nil` for one that never came.
    public func explain(worker: WorkerName, at now: Instant) -> [String]? {
        let record = self.records[worker]
        guard let member = self.members[worker] else {
            return record.map { ["it is not connected", "it has finished \($0.finished) shards"] }
        }
        var lines = ["it runs \(member.leases.count) shards in \(member.capacity.slots) slots"]
        if let obstacle = self.obstacle(worker, member, at: now) { lines.append("it \(obstacle)") }
        if let record {
            lines.append("it has finished \(record.finished) shards")
            if !record.failed.isEmpty { lines.append("it has failed \(record.failed.count) shards since the last") }
            if record.isOnProbation { lines.append("it gets one shard at a time until it has finished one") }
        }
        return lines
    }

    static func seconds(_ from: Instant, _ to: Instant) -> Int64 {
        max(0, (to.milliseconds - from.milliseconds + 999) / 1000)
    }
}
