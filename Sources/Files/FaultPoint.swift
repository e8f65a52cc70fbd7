#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The moment before (or right after) a durable step, at which tests let the step fail or the process end.
///
/// Only debug builds have them; in a release build ``reach(_:of:)`` is nothing. The environment arms a process and all
/// that it starts:
///
///     QUINTET_FAULTS=fail:2:POINT,crash:1:POINT      at the point of that name the step fails, or the process is
///                                                    killed; so many times in all processes of the folder
///     QUINTET_FAULTS_FOLDER=FOLDER                   takes a file `reached/POINT` for every point that is reached,
///                                                    and `taken/POINT-N` each time that one takes effect
///
/// So a test finds all points that there are by running what it tests.
public enum FaultPoint {
    #if DEBUG
        public static let isCompiledIn = true

        private static let armed = getenv("QUINTET_FAULTS_FOLDER").map { folder in
            let faults = getenv("QUINTET_FAULTS").map { String(cString: $0) } ?? ""
            return Armed(faults, folder: String(cString: folder))
        }

        /// Says that a step on a file is about to be taken; its name is made of the file's and the step's.
        ///
        /// - Throws: ``StorageError`` where a test wants the step to fail.
        public static func reach(_ step: @autoclosure () -> String, of path: @autoclosure () -> String)
            throws(StorageError)
        {
            guard let armed = self.armed else { return }
            try armed.reach("\(self.subject(path())).\(step())", path())
        }
    #else
        public static let isCompiledIn = false

        /// Nothing, in a release build.
        @inlinable @inline(__always)
        public static func reach(_ step: @autoclosure () -> String, of path: @autoclosure () -> String)
            throws(StorageError)
        {}
    #endif

    /// What a path is about, the same in every run: a blob is named by its folder, and numbers are left out.
    static func subject(_ path: String) -> String {
        let parts = path.split(separator: "/")
        guard var name = parts.last else { return "root" }
        let isDigest = name.utf8.count == 64 && name.allSatisfy(\.isHexDigit)
        if isDigest, parts.count > 1 { name = parts[parts.count - 2] }
        if name.utf8.count > 64 { name = name.prefix { !$0.isNumber } }
        return name.split(whereSeparator: \.isNumber).joined(separator: "n")
    }
}

#if DEBUG
    /// What the environment asks for.
    private struct Armed: Sendable {
        private struct Fault {
            let isCrash: Bool
            let times: Int
            let point: Substring
        }

        private let faults: [Fault]
        private let folder: String

        init(_ text: String, folder: String) {
            self.folder = folder
            self.faults = text.split(separator: ",").map { text in
                let parts = text.split(separator: ":", maxSplits: 2)
                guard parts.count == 3, ["fail", "crash"].contains(parts[0]), let times = Int(parts[1]) else {
                    preconditionFailure("QUINTET_FAULTS has \"\(text)\", not fail:TIMES:POINT or crash:TIMES:POINT")
                }
                return Fault(isCrash: parts[0] == "crash", times: times, point: parts[2])
            }
            for name in [folder, "\(folder)/reached", "\(folder)/taken"] { mkdir(name, 0o700) }
        }

        func reach(_ point: String, _ path: String) throws(StorageError) {
            _ = self.claim("reached/\(point)")
            for fault in self.faults where fault.point == point {
                guard (0..<fault.times).contains(where: { self.claim("taken/\(point)-\($0)") }) else { continue }
                guard fault.isCrash else { throw StorageError("go on at \(point) with", path, code: EIO) }
                kill(getpid(), SIGKILL)
                while true { pause() }
            }
        }

        /// Whether this was the first to make a file of that name, of all processes.
        private func claim(_ name: String) -> Bool {
            let descriptor = open("\(self.folder)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { return false }
            close(descriptor)
            return true
        }
    }
#endif
