public import Coordination
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
                while let frame = try await connection.next() {
                    try await connection.send(self.answer(OperatorRequest(frame)).frame())
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
    private func answer(_ request: OperatorRequest) async -> OperatorReply {
        do throws(StoreError) {
            switch request {
            case .hello: return .refused(reason: "it said hello twice")
            case .workers(let name):
                let connected = Set(await self.loop.ask { coordinator, _ in coordinator.workers } ?? [])
                let workers = try self.store.workers(after: name, limit: OperatorRequest.workersLimit)
                return .workers(
                    workers.map { worker in
                        var worker = worker
                        worker.isConnected = connected.contains(worker.name)
                        return worker
                    }
                )
            case .approve(let worker): try self.store.approve(worker)
            case .ban(let worker): try await self.ban(worker)
            }
            return .done
        } catch {
            return .refused(reason: error.description)
        }
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
    }
}
