internal import Coordination
internal import Digests
internal import Files
internal import Foundation
internal import Logging
internal import Sweeps
internal import Transport
internal import Wire

// What the pure worker has decided, carried out. An event that a directive brings at once is posted, not handled: the
// directives after it come first.
extension WorkerService {
    func carryOut(_ directive: Worker.Directive, _ state: inout State) {
        switch directive {
        case .dial: self.dial(holding: state.worker.held)
        case .heartbeat(let holding): state.link?.send(.heartbeat(holding: holding))
        case .announceDraining: state.link?.send(.draining)
        case .prepare(let lease):
            guard let grant = state.grants[lease.token] else { return }
            self.preparations.add(grant)
        case .start(let lease): self.start(lease, &state)
        case .stop(let token): state.trainers[token]?.signal(SIGTERM)
        case .kill(let token): state.trainers[token]?.signal(SIGKILL)
        case .upload(let lease, let checkpoint):
            let path = self.options.folder.attempt(lease.token).upload(checkpoint.digest)
            state.link?.upload(CoordinatorLink.Upload(lease: lease, checkpoint: checkpoint, path: path))
        case .spool(let lease, let outcome): self.spool(lease, outcome, &state)
        case .report(let lease, let outcome): state.link?.send(.report(lease, outcome))
        case .handBack(let lease): state.link?.send(.handBack(lease))
        case .discard(let token):
            state.grants[token] = nil
            state.orders[token] = nil
            state.progress[token] = nil
            state.toldAt[token] = nil
            self.options.folder.attempt(token).remove()
            self.preparations.forget(token)
        case .wake(let instant): state.wakeAt = instant
        case .leave(let departure): state.end = .departed(departure, lastError: state.lastError)
        }
    }

    private func dial(holding: [Lease]) {
        let hello = Hello(
            version: self.options.version,
            host: ProcessInfo.processInfo.hostName,
            slots: self.options.slots,
            threads: self.options.threads,
            cores: MachineResources.current.cores,
            memoryBytes: self.options.memoryBytes,
            holding: holding,
            labels: self.options.labels.sorted(),
            kernelClass: self.options.kernelClass,
            kernels: self.options.kernels.sorted(),
            secondsLeft: self.options.endsAt.map { max(0, Int((($0 - ContinuousClock.now) / .seconds(1)))) },
            job: self.options.job
        )
        Task { [mailbox = self.mailbox, keeper = self.identity, options = self.options] in
            let link: CoordinatorLink
            do {
                let line = try options.join.line()
                let identity = try await keeper.current()
                link = try await CoordinatorLink(host: line.host, port: line.port, identity: identity, hello: hello)
            } catch let refusal as WorkerRefused {
                mailbox.post(.refused(refusal))
                return
            } catch let refusal as EnrolmentError {
                mailbox.post(.refused(WorkerRefused(refusal.description)))
                return
            } catch {
                mailbox.post(.unlinked(nil, reason: "\(error)"))
                return
            }
            guard mailbox.post(.linked(link)) else { return link.close() }
            let id = link.id
            let failure = await link.run { message in
                mailbox.post(.said(message, id))
            } onUpload: { upload, isStored in
                let (token, digest) = (upload.lease.token, upload.checkpoint.digest)
                if isStored { options.folder.attempt(token).dropUpload(digest) }
                mailbox.post(.event(isStored ? .uploaded(token, digest) : .uploadRefused(token, digest)))
            }
            mailbox.post(.unlinked(id, reason: failure.map { "\($0)" } ?? "the coordinator hung up"))
        }
    }

    private func start(_ lease: Lease, _ state: inout State) {
        let token = lease.token
        guard let order = state.orders[token] else { preconditionFailure("\(token) starts unprepared") }
        let folder = self.options.folder.attempt(token)
        // Each trainer's threads are its own business; a BLAS that starts some too would take the other slots' cores.
        var environment = ProcessInfo.processInfo.environment
        environment["OPENBLAS_NUM_THREADS"] = "1"
        if let kernels = order.shard.kernelClass { environment["OPENBLAS_CORETYPE"] = kernels }
        do {
            try folder.write(order)
            state.trainers[token] = try TrainerRun(
                command: self.options.trainer,
                arguments: ["--shard", folder.order, "--into", folder.output],
                environment: environment,
                key: lease.key
            ) { [mailbox = self.mailbox] event in
                mailbox.post(.trainer(token, event))
            } onEnd: { [mailbox = self.mailbox] end in
                mailbox.post(.event(.trainerEnded(token, end)))
            }
        } catch {
            let failure = AttemptFailure(cause: .infrastructure, kind: .other, message: "\(error)")
            self.mailbox.post(.event(.trainerEnded(token, .failed(failure))))
        }
    }

    private func spool(_ lease: Lease, _ outcome: Outcome, _ state: inout State) {
        state.trainers[lease.token] = nil
        do {
            try self.options.folder.attempt(lease.token).spool(lease, outcome)
        } catch {
            // It is still reported from memory: only a crash of this worker before that would lose it.
            self.logger.error("an outcome is not on disk: \(error)")
        }
        self.mailbox.post(.event(.spooled(lease.token)))
    }
}
