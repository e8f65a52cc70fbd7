import Coordination
import CoordinatorShell
import Encoders
import Foundation
import Sweeps
import Training
import Transport
import Wire

extension SweepPlan {
    /// Expands a grid, and fetches what it names and the cache lacks.
    ///
    /// - Parameter file: the grid's name in errors.
    /// - Throws: an error in one line for whatever is wrong with the grid or its files.
    init(yaml: String, file: String) async throws {
        let definition = try SweepDefinition(yaml: yaml, file: file)
        let folders = SweepFolders()
        let backbone = try await folders.backbone(definition.backbone)
        let configuration = try EncoderConfiguration(folder: backbone.path)
        let weights = try BackboneWeights(folder: backbone.path)
        var data: [String: StoredFolder] = [:]
        for task in definition.tasks { data[try TaskDescription.named(task).name] = try await folders.data(task) }
        let planned = try definition.shards()
        let sweep = StoredSweep(name: definition.name, definition: yaml, launchedSeconds: currentSeconds())
        let shards = try planned.map { planned in
            guard let folder = data[planned.cell.task] else { preconditionFailure("no data for \(planned.name)") }
            return try planned.shard(backbone: backbone.manifest.digest, data: folder.manifest.digest)
        }
        let needs = try planned.map { planned in
            let (method, settings) = (planned.cell.method, planned.settings)
            let labels = try TaskDescription.named(planned.cell.task).labels
            return Needs(
                memoryBytes: max(
                    try estimatedMemoryBytes(
                        configuration,
                        weights: weights,
                        method: method,
                        settings: settings,
                        labels: labels
                    ),
                    definition.needs.memoryBytes
                ),
                labels: definition.needs.labels,
                kernelClass: planned.kernelClass,
                checkpointBytes: estimatedCheckpointBytes(
                    configuration,
                    method: method,
                    settings: settings,
                    labels: labels
                )
            )
        }
        let stored = [backbone] + data.sorted { $0.key < $1.key }.map(\.value)
        let change = SweepChange(
            sweep: definition.name,
            standing: .active,
            priority: definition.priority,
            weight: definition.weight
        )
        self.init(sweep: sweep, shards: shards, needs: needs, folders: stored, change: change)
    }
}

/// The text of a file that a person wrote.
///
/// - Parameter what: what it should be, for messages.
/// - Throws: ``TextFileError`` where it cannot be read.
func readText(_ path: String, what: String) throws -> String {
    guard let file = FileHandle(forReadingAtPath: path) else {
        throw TextFileError("cannot read the \(what) \(path): \(String(cString: strerror(errno)))")
    }
    guard let data = try file.read(upToCount: SweepDefinition.fileLimitBytes + 1),
        let text = String(data: data, encoding: .utf8)
    else { throw TextFileError("the \(what) \(path) is empty or not UTF-8") }
    return text
}

/// A file that cannot be read.
struct TextFileError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
