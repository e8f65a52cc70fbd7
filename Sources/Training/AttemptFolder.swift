internal import Files
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
        try DurableFile.makeFolder(path)
    }

    static func checkpointFile(kind: TrainerEvent.Checkpointed.Kind, step: Int) -> String {
        let digits = String(step)
        return "\(kind.rawValue)-" + String(repeating: "0", count: max(0, 10 - digits.count)) + digits
            + Self.checkpointSuffix
    }

    /// Writes a file that is there completely or not at all.
    func write(_ bytes: [UInt8], as name: String) throws { try DurableFile.write(bytes, to: self.path + "/" + name) }

    /// Removes all but the newest checkpoints of a kind: a worker may still be sending the one before the last.
    func removeCheckpoints(kind: TrainerEvent.Checkpointed.Kind, keeping count: Int) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: self.path)
            .filter { $0.hasPrefix(kind.rawValue + "-") && $0.hasSuffix(Self.checkpointSuffix) }.sorted()
        for name in names.dropLast(count) { try FileManager.default.removeItem(atPath: self.path + "/" + name) }
    }
}

/// Monotonic time.
enum Clock {
    static var seconds: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
}

/// What this process has resident, in bytes; 0 where the system does not say.
///
/// It is not `getrusage` that is asked: its peak begins with that of the process that started this one.
struct ProcessMemory {
    let residentBytes: Int
    /// The most since the process began.
    let peakBytes: Int

    static var now: ProcessMemory {
        let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        func bytes(_ name: String) -> Int {
            let line = status?.split(separator: "\n").first { $0.hasPrefix("\(name):") }
            let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
            return (kibibytes ?? 0) * 1024
        }
        return ProcessMemory(residentBytes: bytes("VmRSS"), peakBytes: bytes("VmHWM"))
    }
}
