import Foundation

@testable import Tasks

/// A folder with these files (their folders are made), removed after `body`.
func withFolder<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
    try withFolder(files.mapValues { Data($0.utf8) }, body)
}

func withFolder<Result>(_ files: [String: Data], _ body: (String) throws -> Result) throws -> Result {
    let root = FileManager.default.temporaryDirectory.appending(path: "tasks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: root) }
    for (name, data) in files {
        let file = root.appending(path: name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    }
    return try body(root.path)
}

extension Reading {
    /// Of the only text that is read.
    var first: String { self.texts[0].first }
    var second: String? { self.texts[0].second }
}

extension Example {
    var first: String { self.reading.first }
    var second: String? { self.reading.second }
}

/// The official files beside the checkout, where they are.
let sharedData: String? = {
    let tests = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
    let folder = tests.appending(path: "../../../shared/data/glue").standardized.path
    return FileManager.default.fileExists(atPath: folder) ? folder : nil
}()
