import Coordination
import CoordinatorShell
import Encoders
import Files
import Foundation
import Sweeps
import Training
import Wire

/// A shard with a result, and where on this machine that lies which its network is made of.
struct FinishedShard {
    let shard: Shard
    let backboneFolder: String
    let dataFolder: String
    /// That its training was planned for.
    let steps: Int
    private let name: String
    private let parametersPath: String

    /// - Throws: ``SessionError`` where the shard has no result, or something of it is not here or has changed.
    init(_ known: SweepShard, of sweep: StoredSweep, in store: Store, blobs: String) throws {
        let name = known.planned.name
        guard let result = known.result, let shard = try store.shard(known.key) else {
            throw SessionError("\(name) has no result: \(Status.state(of: known))")
        }
        let folders = try store.folders(of: sweep.name)
        guard let backbone = folders.first(where: { $0.manifest.digest == shard.backbone }),
            let data = folders.first(where: { $0.manifest.digest == shard.data })
        else { throw SessionError("\(name): its backbone or data is not known here; launch its grid again") }
        try SweepFolders().check([backbone, data])
        guard let best = known.checkpoints?.best else {
            throw SessionError("the parameters of \(name) are not here; quintet verify says what is missing")
        }
        (self.shard, self.name, self.steps) = (shard, name, result.plannedSteps ?? result.steps)
        (self.backboneFolder, self.dataFolder) = (backbone.path, data.path)
        self.parametersPath = "\(blobs)/\(best.digest)"
    }

    /// The network with the parameters that were scored.
    func model() throws -> TrainedModel {
        let limit = Safetensors.fileLimitBytes
        guard let bytes = try DurableFile.read(self.parametersPath, bytesLimit: limit) else {
            throw SessionError("the parameters of \(self.name) are not here; quintet verify says what is missing")
        }
        let raw = try CheckpointContainer.unpack(bytes, limitBytes: limit)
        return try TrainedModel(
            self.shard,
            backboneFolder: self.backboneFolder,
            parameters: try Safetensors(path: "the checkpoint of \(self.name)", bytes: raw)
        )
    }
}

/// Writes files into a folder, which is made where it is missing.
///
/// - Returns: their paths.
func write(_ files: [(name: String, bytes: [UInt8])], into folder: String) throws -> [String] {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return try files.sorted { $0.name < $1.name }.map { name, bytes in
        try Data(bytes).write(to: URL(filePath: "\(folder)/\(name)"), options: .atomic)
        return "\(folder)/\(name)"
    }
}
