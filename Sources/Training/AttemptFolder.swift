internal import Foundation
internal import Sweeps

/// The folder of one attempt at a shard: checkpoints and the scored parameters, each file complete or absent.
struct AttemptFolder {
    /// The scored parameters as plain safetensors.
    static let parametersFile = "parameters.safetensors"
    private static let checkpointSuffix = ".qckpt"

    let path: String

    /// Makes the folder where it is missing.
    init(_ path: String) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    static func checkpointFile(kind: TrainerEvent.Checkpointed.Kind, step: Int) -> String {
        let digits = String(step)
        return "\(kind.rawValue)-" + String(repeating: "0", count: max(0, 10 - digits.count)) + digits
            + Self.checkpointSuffix
    }

    /// Writes a file under another name, makes it durable and renames it.
    func write(_ bytes: [UInt8], as name: String) throws {
        let (target, temporary) = (self.path + "/" + name, self.path + "/." + name + ".partial")
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw TrainingFailure(path: target, code: errno) }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress! + written, bytes.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw TrainingFailure(path: target, code: errno) }
            written += count
        }
        guard fsync(descriptor) == 0, rename(temporary, target) == 0 else {
            throw TrainingFailure(path: target, code: errno)
        }
        let folder = open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw TrainingFailure(path: self.path, code: errno) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw TrainingFailure(path: self.path, code: errno) }
    }

    func read(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

    /// Removes all but the newest checkpoints of a kind: a worker may still be sending the one before the last.
    func removeCheckpoints(kind: TrainerEvent.Checkpointed.Kind, keeping count: Int) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: self.path)
            .filter { $0.hasPrefix(kind.rawValue + "-") && $0.hasSuffix(Self.checkpointSuffix) }.sorted()
        for name in names.dropLast(count) { try FileManager.default.removeItem(atPath: self.path + "/" + name) }
    }
}

extension TrainingFailure {
    fileprivate init(path: String, code: Int32) {
        let kind: FailureKind = code == ENOSPC || code == EDQUOT || code == EFBIG ? .diskFull : .other
        let advice = kind == .diskFull ? "; make room and resume" : ""
        self.init(kind: kind, "\(path) cannot be written: \(String(cString: strerror(code)))\(advice)")
    }
}

/// Monotonic time.
enum Clock {
    static var seconds: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
}

/// What this process has used.
enum ProcessMemory {
    /// The most memory that was resident at once, in bytes.
    static var peakBytes: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
}
