import Files
import Foundation
import Testing

@testable import WorkerShell

@Suite struct HealthTests {
    private let folder = WorkerFolder(
        FileManager.default.temporaryDirectory.appending(path: "health-\(UUID().uuidString)").path
    )

    /// Goal: who watches sees that the loop turns, and whether it has a coordinator.
    /// Method: a file is written as the loop does at instants of our own, and read as a watcher does.
    @Test func `a loop's signs of life are read by others`() throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder.path) }
        #expect(throws: WorkerHealthError.self) { try WorkerHealth(self.folder) }
        _ = try self.folder.lock()
        var file = HealthFile(self.folder)
        file.note(isConnected: true, at: 0)
        let first = try WorkerHealth(self.folder)
        #expect(first.isConnected)
        try first.require(ready: true, atSeconds: first.seconds + WorkerHealth.secondsLimit - 1)
        #expect(throws: WorkerHealthError.self) {
            try first.require(ready: false, atSeconds: first.seconds + WorkerHealth.secondsLimit)
        }
        // A change is told at once, in the same place.
        file.note(isConnected: false, at: 1)
        let second = try WorkerHealth(self.folder)
        #expect(!second.isConnected)
        try second.require(ready: false, atSeconds: second.seconds)
        #expect(throws: WorkerHealthError.self) { try second.require(ready: true, atSeconds: second.seconds) }
        file.remove()
        #expect(throws: WorkerHealthError.self) { try WorkerHealth(self.folder) }
    }

    /// Goal: it is written often enough, and no more often. Method: the file is emptied between two notes.
    @Test func `what is not new is told again after a while`() throws {
        defer { try? FileManager.default.removeItem(atPath: self.folder.path) }
        _ = try self.folder.lock()
        var file = HealthFile(self.folder)
        let interval = Int64(HealthFile.intervalMilliseconds)
        file.note(isConnected: true, at: 0)
        #expect(truncate(self.folder.healthFile, 0) == 0)
        file.note(isConnected: true, at: interval - 1)
        #expect(throws: WorkerHealthError.self) { try WorkerHealth(self.folder) }
        file.note(isConnected: true, at: interval)
        #expect(try WorkerHealth(self.folder).isConnected)
    }

    @Test func `both lines are of one length, and others are none`() {
        let lines = [true, false].map { WorkerHealth(seconds: 1_800_000_000, isConnected: $0) }
        #expect(Set(lines.map(\.line.utf8.count)).count == 1)
        #expect(lines.allSatisfy { WorkerHealth(line: $0.line) == $0 })
        for text in ["", "connected", "1 here", "x away", "1 away now"] { #expect(WorkerHealth(line: text) == nil) }
    }
}
