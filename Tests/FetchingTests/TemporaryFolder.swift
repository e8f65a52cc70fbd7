import Foundation

@testable import Fetching

/// A folder that goes when its owner goes.
final class TemporaryFolder: Sendable {
    let url: URL

    init() {
        self.url = FileManager.default.temporaryDirectory.appendingPathComponent("quintet-test-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(at: self.url, withIntermediateDirectories: true)
        } catch {
            preconditionFailure("no temporary folder: \(error)")
        }
    }

    deinit { try? FileManager.default.removeItem(at: self.url) }

    /// Writes a file, and makes the folders above it.
    func write(_ path: String, _ text: String) throws {
        let place = self.url.appendingPathComponent(path)
        try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: place)
    }
}

/// Whether this machine has python3, and whether that has pip.
let hasPython = answers(["python3", "-c", ""])
let hasPip = answers(["python3", "-m", "pip", "--version"])

func answers(_ arguments: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
}
