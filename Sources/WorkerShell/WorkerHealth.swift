internal import Files
internal import Foundation
internal import Transport

/// What a worker's loop last said of itself, by which another process sees that it turns.
///
/// The folder's file `health` holds one line: seconds since 1970, and `connected` or `away`.
public struct WorkerHealth: Hashable, Sendable {
    public var seconds: Int64
    /// Whether it has a coordinator.
    public var isConnected: Bool

    /// How old it may be. The loop writes it twelve times as often.
    public static let secondsLimit: Int64 = 60

    private static let bytesLimit = 64

    init(seconds: Int64, isConnected: Bool) {
        self.seconds = seconds
        self.isConnected = isConnected
    }

    /// - Throws: `StorageError` where the file cannot be read, ``WorkerHealthError`` where there is none, or no such
    ///   line in it.
    public init(_ folder: WorkerFolder) throws {
        guard let bytes = try DurableFile.read(folder.healthFile, bytesLimit: Self.bytesLimit) else {
            throw WorkerHealthError("no worker runs in \(folder.path), or it has not joined yet")
        }
        guard let health = WorkerHealth(line: String(decoding: bytes, as: UTF8.self)) else {
            throw WorkerHealthError("\(folder.healthFile) is no worker's; remove it")
        }
        self = health
    }

    init?(line: String) {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let seconds = Int64(words[0]), ["connected", "away"].contains(words[1]) else {
            return nil
        }
        self.init(seconds: seconds, isConnected: words[1] == "connected")
    }

    /// Always of one length, so that one line is written over another and needs no room on a full disk.
    var line: String { "\(self.seconds) \(self.isConnected ? "connected" : "away     ")\n" }

    /// - Parameters:
    ///   - ready: whether it must have a coordinator, too.
    ///   - now: seconds since 1970.
    /// - Throws: ``WorkerHealthError``, which says what is wrong.
    public func require(ready: Bool, atSeconds now: Int64) throws(WorkerHealthError) {
        let age = now - self.seconds
        guard age < Self.secondsLimit else {
            throw WorkerHealthError("the worker's loop last turned \(age) s ago; start the worker again")
        }
        guard self.isConnected || !ready else { throw WorkerHealthError("the worker has no coordinator at present") }
    }
}

/// A worker that is not well, and why.
public struct WorkerHealthError: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// A worker's own health file. It is a sign of life and no more: a failure to write it is told by its age.
struct HealthFile: ~Copyable {
    /// The loop turns at least as often.
    static let intervalMilliseconds = 5000

    private let path: String
    private let descriptor: Int32
    private var last: (isConnected: Bool, at: Int64)?

    init(_ folder: WorkerFolder) {
        self.path = folder.healthFile
        self.descriptor = open(self.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    }

    deinit { close(self.descriptor) }

    /// Writes what is new, and every so often that nothing is.
    mutating func note(isConnected: Bool, at now: Int64) {
        if let last, last.isConnected == isConnected, now - last.at < Int64(Self.intervalMilliseconds) { return }
        self.last = (isConnected, now)
        var line = WorkerHealth(seconds: currentSeconds(), isConnected: isConnected).line
        line.withUTF8 { _ = pwrite(self.descriptor, $0.baseAddress, $0.count, 0) }
    }

    func remove() { unlink(self.path) }
}
