internal import Coordination
internal import CoordinatorShell

// What breaks in the first phase.
extension SimulatedCluster {
    mutating func strike() {
        guard !self.isCalm else { return }
        self.schedule(.fault, within: 1...1 + 2 * self.swarm.faultMeanMilliseconds)
        let total = self.swarm.weights.reduce(0) { $0 + $1.weight }
        guard total > 0 else { return }
        var ticket = Int(self.random.number(0...Int64(total - 1)))
        for (fault, weight) in self.swarm.weights {
            ticket -= weight
            if ticket < 0 { return self.strike(fault) }
        }
    }

    private mutating func strike(_ fault: Fault) {
        let index = Int(self.random.number(0...Int64(self.machines.count - 1)))
        let now = self.now.milliseconds
        self.note("fault: \(fault.rawValue), \(self.machines[index].name)")
        switch fault {
        case .connectionCut: if let connection = self.machines[index].connection { self.cut(connection) }
        case .workerKilled: self.kill(index, withPower: true)
        case .workerWithoutPower: self.kill(index, withPower: false)
        case .workerPaused:
            self.seen.insert(.workerPaused)
            let until = now + self.random.wait(mean: self.swarm.pauseMeanMilliseconds)
            self.machines[index].pausedUntil = max(self.machines[index].pausedUntil, until)
        case .workerAskedToLeave:
            guard self.machines[index].pausedUntil <= now else { return }
            self.handle(.leaveRequested, on: index)
        case .machineLost:
            guard self.machines.count(where: { !$0.isLost }) > 1 else { return }
            self.seen.insert(.machineLost)
            self.kill(index, withPower: false)
            self.machines[index].isLost = true
        case .trainerKilled:
            guard let token = self.machines[index].trainers.keys.min(),
                let trainer = self.machines[index].trainers.removeValue(forKey: token)
            else { return }
            self.endTrainer(trainer, .failed(Self.infrastructure("its trainer was killed")), on: index)
        case .coordinatorKilled: self.killCoordinator(withPower: true)
        case .coordinatorWithoutPower: self.killCoordinator(withPower: false)
        case .endInWrite:
            self.disk.fuse = (Int(self.random.number(0...30)), losesPower: self.random.chance(0.6))
        case .coordinatorPaused:
            guard let process = self.process else { return }
            self.seen.insert(.coordinatorPaused)
            let until = now + self.random.wait(mean: self.swarm.pauseMeanMilliseconds)
            self.process?.pausedUntil = max(process.pausedUntil, until)
        case .coordinatorDrained: self.post(.event(.drainRequested))
        case .partition: self.partition(index)
        case .workerBanned:
            self.post(.ban(worker: index))
        case .release:
            self.seen.insert(.released)
            self.release += 1
            self.killCoordinator(withPower: true)
        case .diskFull:
            self.disk.isFull = true
            self.schedule(.emptyDisk, within: 1...20_000)
        }
    }

    /// Blocks one way or both, for one worker or for all.
    private mutating func partition(_ index: Int) {
        let until = self.now.milliseconds + self.random.wait(mean: self.swarm.partitionMeanMilliseconds)
        let (up, down) =
            [(true, true), (true, false), (false, true)].randomElement(using: &self.random) ?? (true, true)
        self.seen.insert(up && down ? .fullPartition : .oneWayPartition)
        for each in self.random.chance(0.3) ? Array(self.machines.indices) : [index] {
            if up { self.machines[each].upBlockedUntil = until }
            if down { self.machines[each].downBlockedUntil = until }
        }
    }

    // MARK: - Damage

    private static let pageBytes = 4096

    /// Damages, now and then, the store's file or its log while nobody has it open: a bit flips, or a page is written
    /// over another.
    ///
    /// - Returns: the disk as it was, if something was damaged.
    mutating func damageFile() -> [String: [UInt8]]? {
        guard !self.isCalm, self.random.chance(self.swarm.damageProbability) else { return nil }
        let name = self.random.chance(0.5) ? Self.storeFile : Self.storeFile + "-wal"
        guard let file = self.disk.files[name], !file.content.isEmpty else { return nil }
        let copy = self.disk.copy()
        let pages = Int64(file.content.count / Self.pageBytes)
        if name == Self.storeFile, pages > 1, self.random.chance(0.3) {
            let (page, other) = (Int(self.random.number(0...pages - 1)), Int(self.random.number(0...pages - 1)))
            self.note("fault: page \(page) of the store's file is written over page \(other)")
            self.disk.misplace(block: page, of: file, over: other, blockBytes: Self.pageBytes)
            self.mayBeUnnoticed = true
            return copy
        }
        self.mayBeUnnoticed = name != Self.storeFile
        var byte = 0
        // Most of a file is zeros that mean nothing.
        for _ in 0..<8 where file.content[byte] == 0 || byte == 0 {
            byte = Int(self.random.number(0...Int64(file.content.count - 1)))
        }
        let bit = byte * 8 + Int(self.random.number(0...7))
        self.note("fault: bit \(bit) of \(name) flips")
        self.disk.flip(bit: bit, of: file)
        return copy
    }

    /// A damaged store was refused, and a person puts back a copy.
    mutating func noteRefusal(of error: StoreError, restoring copy: [String: [UInt8]]) {
        if error.description.contains("-wal is damaged") {
            self.seen.insert(.logDamageFound)
        } else if self.mayBeUnnoticed {
            self.seen.insert(.misplacedFound)
        } else if error.description.contains("its checksum differs") {
            self.seen.insert(.damageNamed)
        } else if error.description.contains("damaged") {
            self.seen.insert(.damageFound)
        }
        self.disk.endProcess()
        self.disk.restore(copy)
    }
}
