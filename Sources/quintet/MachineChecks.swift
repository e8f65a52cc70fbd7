import COpenSSL
import CProcessor
import CSQLite
import CZstd
import Files
import Foundation
import Tensors
import Transport

/// What `quintet doctor` looks at beside folders and the network.
enum MachineChecks {
    static func all() -> [Finding] {
        [Self.processor(), Self.linearAlgebra(), Self.libraries(), Self.python()] + Self.resources(.current)
    }

    /// Its features are looked at before any command runs, see `Main`.
    private static func processor() -> Finding {
        #if arch(x86_64)
            let level = ", with all of x86-64-v3"
        #else
            let level = ""
        #endif
        return Finding("processor", String(cString: processor_name()) + level)
    }

    private static func linearAlgebra() -> Finding {
        let text = "\(BLAS.kernelClass), \(BLAS.threading.rawValue)"
        guard BLAS.useOneThread() else {
            let advice = "another library than OpenBLAS stands in its place: install libopenblas0-pthread"
            return Finding("OpenBLAS", "\(text): does not keep to one thread", .bad, advice: advice)
        }
        return Finding(
            "OpenBLAS",
            "\(text); told to use 1 thread, it uses 1",
            BLAS.threading == .posix ? .ok : .warning,
            advice: "Quintet is tested with the build for POSIX threads: install libopenblas0-pthread"
        )
    }

    /// Those that were loaded: one that is missing keeps the program from starting.
    private static func libraries() -> Finding {
        let versions = [
            String(cString: OpenSSL_version(0)), "zstd \(String(cString: ZSTD_versionString()))",
            "SQLite \(String(cString: sqlite3_libversion()))",
        ]
        return Finding("libraries", versions.joined(separator: ", "))
    }

    private static func python() -> Finding {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let path = folders.map { "\($0)/python3" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return Finding(
            "python3",
            path ?? "there is none",
            path == nil ? .warning : .ok,
            advice: "quintet fetch cannot unpack archives without it; workers need none"
        )
    }

    /// Below this a trainer of the smallest pretrained encoder has no room.
    private static let leastMemoryBytes = 1 << 30

    static func resources(_ resources: MachineResources) -> [Finding] {
        [
            Finding("cores", "\(resources.cores), bounded by \(resources.coresBound.rawValue)"),
            Finding(
                "memory",
                "\(Self.size(resources.memoryBytes)), bounded by \(resources.memoryBound.rawValue)",
                resources.memoryBytes < Self.leastMemoryBytes ? .warning : .ok,
                advice: "small encoders alone can be trained in it: give it 1 GiB or more"
            ),
        ]
    }

    static func clock() -> Finding {
        let advice =
            "have it set by chrony or systemd-timesyncd; certificates are refused where clocks differ by more than "
            + "\(CertificateAuthority.backdateSeconds) s"
        switch clock_is_synchronised() {
        case 1: return Finding("clock", "the kernel says that it is synchronised")
        case 0: return Finding("clock", "the kernel says that nobody keeps it right", .warning, advice: advice)
        default: return Finding("clock", "not known whether it is synchronised: the kernel does not say")
        }
    }

    static func size(_ bytes: Int) -> String {
        let mebibytes = bytes >> 20
        return mebibytes < 10 << 10 ? "\(mebibytes) MiB" : "\(mebibytes >> 10) GiB"
    }
}
