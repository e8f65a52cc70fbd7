public import Coordination
internal import Digests
internal import Logging
internal import Synchronization
internal import Transport
internal import Wire

// What a person's commands ask of a coordinator that runs. Nothing that a worker says is understood here, and nothing
// of this where workers are heard.
extension CoordinatorService {
    /// Answers an operator's requests, one after the other, until it has no more.
    func serve(operator connection: Connection) async {
        do {
            guard let first = try await connection.next() else { return }
            guard case .hello(let hello) = try OperatorRequest(first) else {
                throw MessageError.unexpected("its first message is no hello")
            }
            if let objection = hello.objection {
                try await connection.send(OperatorReply.refused(reason: objection).frame())
            } else {
                try await connection.send(OperatorReply.welcome(Welcome(version: self.version)).frame())
                while let frame = try await connection.next(), let reply = try await self.answer(OperatorRequest(frame))
                {
                    try await connection.send(reply.frame())
                }
            }
            try await connection.finish()
        } catch let error as MessageError {
            self.logger.notice("cut off \(connection): \(error)")
        } catch {
            // What the connection itself came up against is told by the listener.
        }
    }

    /// Does what an operator asks.
    ///
    /// - Returns: `nil` where the coordinator has stopped.
    private func answer(_ request: OperatorRequest) async -> OperatorReply? {
        do throws(StoreError) {
            switch request {
            case .hello: return .refused(reason: "it said hello twice")
            case .workers(let name):
                let connected = Set(await self.loop.ask { coordinator, _ in coordinator.workers } ?? [])
                let hellos = self.hellos.withLock { $0 }
                let workers = try self.store.workers(after: name, limit: OperatorRequest.workersLimit)
                return .workers(
                    workers.map { worker in
                        var worker = worker
                        worker.isConnected = connected.contains(worker.name)
                        worker.host = hellos[worker.name]?.hello.host
                        worker.job = hellos[worker.name]?.hello.job
                        return worker
                    }
                )
            case .approve(let worker): try self.store.approve(worker)
            case .ban(let worker): try await self.ban(worker)
            case .submit(let grid, let file): return .text([try await self.takeIn(grid, file: file)])
            case .change(let change): try self.change(change)
            case .retry(let sweep): return .text(["\(try self.retry(sweep)) shards are tried again"])
            case .explain(let name): return try await self.explain(name)
            case .snapshot(let sweep):
                let name = try self.store.sweep(named: sweep).name
                guard let snapshot = await self.snapshot(of: name) else { return nil }
                guard snapshot.standing != nil else {
                    throw StoreError(
                        "the coordinator that runs does not work on \(name); once it has stopped, quintet resume "
                            + "\(name) goes on"
                    )
                }
                return .snapshot(snapshot)
            case .copyStore: return .text([try self.store.copy()])
            case .obstacles: return .text(await self.loop.ask { coordinator, _ in coordinator.obstacles() } ?? [])
            }
            return .done
        } catch {
            return .refused(reason: error.description)
        }
    }

    /// Stores a grid as a sweep and works on it.
    private func takeIn(_ grid: String, file: String) async throws(StoreError) -> String {
        guard let plan = self.plan else { throw StoreError("this coordinator takes in no sweeps") }
        var planned: SweepPlan
        do { planned = try await plan(grid, file) } catch { throw StoreError("\(error)") }
        let known = try self.store.sweeps().first { $0.name == planned.sweep.name }
        let submission = try planned.submit(to: self.store)
        try self.submit(planned.sweep)
        let count = "\(planned.shards.count) shards"
        switch submission {
        case .new: return "sweep \(planned.sweep.name) is taken in with \(count)"
        case .unchanged where known?.terms.standing == .active: return "sweep \(planned.sweep.name) is there already"
        case .unchanged: return "sweep \(planned.sweep.name) goes on"
        case .replaced: return "sweep \(planned.sweep.name) has another grid now, with \(count)"
        }
    }

    private func change(_ change: SweepChange) throws(StoreError) {
        let sweep = try self.store.sweep(named: change.sweep)
        let terms: SweepTerms
        do { terms = try change.applied(to: sweep.terms) } catch { throw StoreError("\(error)") }
        self.change(terms)
    }

    private func retry(_ name: String) throws(StoreError) -> Int {
        let sweep = try self.store.sweep(named: name)
        let givenUp = try self.store.givenUp(of: sweep.name)
        self.retry(givenUp)
        return givenUp.count
    }

    private func explain(_ name: String) async throws(StoreError) -> OperatorReply {
        let clock = self.loop
        let lines = await self.loop.ask { coordinator, _ in
            Digest(name).map { coordinator.explain($0, at: clock.now) }
                ?? coordinator.explain(worker: name, at: clock.now)
        }
        guard let lines = lines ?? nil else { throw StoreError("nothing is known of \(name.prefix(80))") }
        return .text(lines)
    }

    /// Shuts a worker out: durably first, then its connections end, and nothing that it says afterwards is heard. It
    /// cannot connect or renew its certificate until it is approved of again.
    ///
    /// - Throws: ``StoreError`` where there is no such worker, or the ban could not be written: it then does not hold.
    public func ban(_ worker: WorkerName) async throws(StoreError) {
        let result = await withCheckedContinuation { continuation in
            let isPosted = self.loop.post(.ban(worker) { continuation.resume(returning: $0) })
            if !isPosted { continuation.resume(returning: .failure(StoreError("the coordinator has stopped"))) }
        }
        try result.get()
        self.logger.notice("banned worker \(worker)")
        // Older connections, on which the loop no longer listens, could still carry blobs.
        self.listener.withLock { $0 }?.disconnect { $0.role == .worker && $0.name == worker }
        do { try self.renewJoinFile() } catch { self.logger.error("nobody new can join: \(error)") }
    }
}
