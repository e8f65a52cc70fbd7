import Coordination
import Foundation
import Sweeps
import Testing
import Wire

@testable import CoordinatorShell

/// SQLite ends its log at the first frame whose sum is wrong and says nothing.
@Suite struct StoreLogTests {
    private let state: TestState
    /// The store's two files, as a coordinator that was killed leaves them.
    private let file: Data
    private let log: Data
    /// Where each commit ends in the log.
    private let commits: [Int]
    private let shards: [Shard]

    private static let frameBytes = 24 + 4096

    init() throws {
        self.state = try TestState()
        self.shards = try testShards()
        let store = try Store(writing: self.state.folder.database)
        let sweep = StoredSweep(name: "test", definition: testGrid, launchedSeconds: 1)
        _ = try store.submit(sweep, shards: self.shards, folders: [])
        _ = try store.beginEpoch()
        for (counter, shard) in self.shards.enumerated() {
            let lease = Lease(token: LeaseToken(epoch: 1, counter: UInt64(counter)), key: shard.key)
            try store.apply([.finished(lease, by: "a", testResult(shard), checkpoints: Checkpoints())])
        }
        self.file = try Data(contentsOf: URL(filePath: self.state.folder.database))
        self.log = try Data(contentsOf: URL(filePath: self.state.folder.database + "-wal"))
        let frames = (self.log.count - 32) / Self.frameBytes
        self.commits = (0..<frames).map { 32 + $0 * Self.frameBytes }.filter { [log] frame in
            log[frame + 4..<frame + 8].contains { $0 != 0 }
        }.map { $0 + Self.frameBytes }
        try store.close()
    }

    /// Lays the files down with this log.
    private func lay(_ log: Data) throws {
        try? FileManager.default.removeItem(atPath: self.state.folder.database + "-shm")
        try self.file.write(to: URL(filePath: self.state.folder.database))
        try log.write(to: URL(filePath: self.state.folder.database + "-wal"))
    }

    private func done(_ store: Store) throws -> Int {
        try store.knownShards(of: "test").count { $0.state == .done }
    }

    private func damage(in log: Data) throws -> StoreLog.Damage? {
        try StoreLog(bytes: log.count) { [UInt8](log.dropFirst($0).prefix($1)) }.damage()
    }

    private func readable(before place: Int) -> Int { self.commits.last { $0 <= place } ?? 32 }

    /// Method: a bit is flipped in each field of the log's header, and of a frame's header and page; in the first frame,
    /// in one of the middle, and in a commit. The last ones are left out: they may have been torn.
    @Test func `a flipped bit of the log is noticed before the last commits`() throws {
        #expect(self.commits.count > 4 && self.commits.last == self.log.count)
        let frames = (self.log.count - 32) / Self.frameBytes
        let places = [0, frames / 3, (self.commits[1] - 32) / Self.frameBytes - 1].flatMap { frame in
            [0, 3, 4, 7, 8, 15, 16, 20, 23, 24, 30, 2000, 4119].map { 32 + frame * Self.frameBytes + $0 }
        }
        for (index, place) in (Array(0..<32) + places).enumerated() {
            var log = self.log
            log[place] ^= 1 << (index % 8)
            let damage = try #require(try self.damage(in: log), "byte \(place)")
            #expect(damage.offset == (place < 32 ? 0 : self.readable(before: place)))
        }
    }

    /// Method: a bit of a frame, and one of the header.
    @Test(arguments: [false, true]) func `a damaged log is refused, found, and cut when asked to`(inHeader: Bool) throws
    {
        let place = inHeader ? 17 : self.commits[self.commits.count - 3] - 1
        var log = self.log
        log[place] ^= 4
        try self.lay(log)
        let offset = inHeader ? 0 : self.readable(before: place)
        let message = "-wal is damaged: nothing can be read from byte \(offset) on, "
        #expect { try Store(writing: self.state.folder.database) } throws: { "\($0)".contains(message) }
        #expect { try Store(reading: self.state.folder.database) } throws: { "\($0)".contains(message) }
        let blobs = try BlobStore(folder: self.state.folder.blobs)
        // Who only looks leaves everything as it is.
        for _ in 0..<2 {
            let store = try Store(repairing: self.state.folder.database)
            let finding = try #require(try StateAudit(store: store, blobs: blobs).findings().first)
            #expect("\(finding)".hasPrefix("the store's log: nothing can be read from byte \(offset) on"))
        }
        let mended = try Store(repairing: self.state.folder.database, mendsLog: true)
        // No token of the lost commits is given out again.
        #expect(try mended.beginEpoch() > 1_000_000)
        #expect(try inHeader ? mended.sweeps().isEmpty : self.done(mended) < 4)
        try mended.close()
        _ = try Store(writing: self.state.folder.database)
    }

    /// Method: a commit's sector is overwritten with zeros; only the last commit can have been torn.
    @Test func `damage before a commit that was durable is noticed`() throws {
        for (commit, end) in self.commits.enumerated().dropLast(2) {
            for place in [end - Self.frameBytes + 24, end - 512] {
                var log = self.log
                log.replaceSubrange(place..<place + 500, with: repeatElement(0x55, count: 500))
                let readable = commit == 0 ? 32 : self.commits[commit - 1]
                let damage = StoreLog.Damage(offset: readable, commits: self.commits.count - commit)
                #expect(try self.damage(in: log) == damage, "commit \(commit)")
            }
        }
    }

    /// Goal: a crash is never taken for damage. Method: sectors of the last commit are lost, alone and with all that
    /// stand behind them; then other frames follow, as of a process that went on from there.
    @Test func `a log that a crash tore is no damage`() throws {
        let start = self.commits[self.commits.count - 2]
        #expect(try self.damage(in: self.log) == nil)
        for sector in stride(from: start / 512 * 512 + 512, to: self.log.count, by: 512) {
            #expect(try self.damage(in: self.log.prefix(sector)) == nil)
            var log = self.log
            let end = min(sector + 512, log.count)
            log.replaceSubrange(sector..<end, with: repeatElement(0, count: end - sector))
            #expect(try self.damage(in: log) == nil, "the sector at \(sector)")
        }
        // What stands behind the log's end is of older times.
        let old = try self.log + self.logOfOthers()
        #expect(try self.damage(in: old) == nil)
    }

    /// Frames of another store, without the header.
    private func logOfOthers() throws -> Data {
        let state = try TestState()
        let store = try Store(writing: state.folder.database)
        for _ in 0..<3 { _ = try store.beginEpoch() }
        let log = try Data(contentsOf: URL(filePath: state.folder.database + "-wal"))
        try store.close()
        return log.dropFirst(32)
    }
}
