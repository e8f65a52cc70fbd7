internal import Adapters
internal import Digests
internal import Encoders
internal import Files
internal import Sweeps
internal import Tensors

// How a run is left and taken up again.
extension TrainingRun {
    func resume(from path: String) throws {
        let limit = CheckpointFile.limitBytes(self.model.store, method: self.model.adaptation.state)
        let raw = try CheckpointContainer.unpack(
            try File.contents(path: path, limitBytes: limit),
            limitBytes: limit
        )
        self.state = try CheckpointFile.read(
            raw,
            path: path,
            key: self.key,
            into: self.model.store,
            optimizer: self.optimization.optimizer,
            best: self.best,
            method: self.model.adaptation.state
        )
    }

    func interrupt() throws -> TrainingOutcome {
        try self.saveCheckpoint()
        return .interrupted
    }

    func saveCheckpoint() throws {
        let raw = try CheckpointFile.write(
            self.state,
            store: self.model.store,
            optimizer: self.optimization.optimizer,
            best: self.best,
            method: self.model.adaptation.state
        )
        try self.write(raw, kind: .last, step: self.state.step)
    }

    func write(_ raw: [UInt8], kind: TrainerEvent.Checkpointed.Kind, step: Int) throws {
        let stored = try CheckpointContainer.pack(raw)
        let file = AttemptFolder.checkpointFile(kind: kind, step: step)
        try self.folder.write(stored, as: file)
        try self.folder.removeCheckpoints(kind: kind, keeping: 2)
        try self.emit(
            .checkpointed(
                .init(
                    kind: kind,
                    step: step,
                    file: file,
                    bytes: stored.count,
                    digest: SHA256.hash(stored),
                    rawDigest: SHA256.hash(raw)
                )
            )
        )
    }
}
