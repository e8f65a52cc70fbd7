import Coordination
import CoordinatorShell
import Digests
import Files
import Foundation
import Sweeps
import TestSupport
import Transport
import Wire

/// A coordinator's state folder with a sweep of so many shards in it; gone with its last user.
final class LoadState: Sendable {
    let folder: StateFolder
    let authority: CertificateAuthority
    let shards: [Shard]

    /// - Parameter done: how many of the shards have a result already.
    init(shards count: Int, done: Int = 0) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "quintet-load-\(UUID().uuidString)").path
        self.folder = StateFolder(path)
        try DurableFile.makeFolder(path)
        self.authority = try CertificateAuthority(folder: self.folder.authority)
        let inputs = "\(path)/inputs"
        try DurableFile.makeFolder(inputs)
        try DurableFile.write(Array("weights".utf8), to: "\(inputs)/weights")
        let manifest = try FolderManifest(folder: inputs)
        // A cell holds 10,000 seeds at most.
        let tasks = TaskDescription.all.map(\.name).prefix(count > 10_000 ? 5 : 1)
        let methods = ["full", "bitfit"].prefix(count > 10_000 ? 2 : 1)
        let cells = tasks.count * methods.count
        let yaml = """
            sweep: load
            backbone: tiny
            tasks: [\(tasks.joined(separator: ", "))]
            methods: [\(methods.joined(separator: ", "))]
            seeds: \((count + cells - 1) / cells)
            """
        self.shards = try SweepDefinition(yaml: yaml, file: "load").shards().map { planned in
            try planned.shard(backbone: manifest.digest, data: manifest.digest)
        }
        let store = try Store(writing: self.folder.database)
        _ = try store.submit(
            StoredSweep(name: "load", definition: yaml, launchedSeconds: 1),
            shards: self.shards,
            folders: [StoredFolder(path: inputs, manifest: manifest)]
        )
        let results = self.shards.prefix(done).enumerated().map { index, shard in
            let lease = Lease(token: LeaseToken(epoch: 0, counter: UInt64(index)), key: shard.key)
            return Coordinator.JournalEntry.finished(
                lease,
                by: "w",
                exampleResult(key: shard.key),
                checkpoints: Checkpoints()
            )
        }
        try store.apply(results)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.folder.path) }
}
