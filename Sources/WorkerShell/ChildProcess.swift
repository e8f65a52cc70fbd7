internal import Files
package import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A process that this one has started.
///
/// Its standard input is a pipe whose other end only this process holds: whatever ends this process ends the pipe, and
/// with it the child, which watches it (``lifelineVariable`` in its environment asks it to).
final class ChildProcess: Sendable {
    let id: pid_t
    /// What the child writes.
    let output: Int32
    let errors: Int32
    private let lifeline: Int32

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - environment: all of it.
    /// - Throws: `StorageError` naming the program.
    init(program: String, arguments: [String], environment: [String: String]) throws(StorageError) {
        // A sibling that kept an end would keep this child alive past its parent: between the making of a pipe and its
        // mark to be closed on exec, nothing else is started.
        Self.spawning.lock()
        defer { Self.spawning.unlock() }
        let (input, output, errors) = (try Pipe(), try Pipe(), try Pipe())
        let code = Self.spawn(
            program,
            arguments,
            environment,
            input: input.reading,
            output: output.writing,
            errors: errors.writing
        )
        for end in [input.reading, output.writing, errors.writing] { close(end) }
        switch code {
        case .success(let id): self.id = id
        case .failure(let error):
            for end in [input.writing, output.reading, errors.reading] { close(end) }
            throw error
        }
        self.lifeline = input.writing
        self.output = output.reading
        self.errors = errors.reading
    }

    deinit {
        close(self.lifeline)
        close(self.output)
        close(self.errors)
    }

    private static let spawning = NSLock()

    /// Sends a signal. Only before ``poll()`` has told of the end: the number may be another process's then.
    func signal(_ signal: Int32) { kill(self.id, signal) }

    /// How it ended, if it has.
    func poll() -> ProcessExit? {
        var status: Int32 = 0
        return waitpid(self.id, &status, WNOHANG) == self.id ? Self.exit(status) : nil
    }

    private static func exit(_ status: Int32) -> ProcessExit {
        let signal = status & 0x7f
        return signal == 0 ? .code(status >> 8 & 0xff) : .signal(signal)
    }

    private static func spawn(
        _ program: String,
        _ arguments: [String],
        _ environment: [String: String],
        input: Int32,
        output: Int32,
        errors: Int32
    ) -> Result<pid_t, StorageError> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
        InheritedFiles.close(&actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that Ctrl-C reaches the parent alone, and no signal ignored or blocked.
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)
        )
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        let argv = ([program] + arguments).map { strdup($0) } + [nil]
        let envp = environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var id: pid_t = 0
        let code = posix_spawnp(&id, program, &actions, &attributes, argv, envp)
        return code == 0 ? .success(id) : .failure(StorageError("start", program, code: code))
    }
}

/// How a process ended.
public enum ProcessExit: Hashable, Sendable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    public var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let signal): "signal \(signal) (\(String(cString: strsignal(signal))))"
        }
    }
}

/// The two ends of a pipe, both closed on exec.
private struct Pipe {
    let reading: Int32
    let writing: Int32

    init() throws(StorageError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw StorageError("make", "a pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        self.reading = ends[0]
        self.writing = ends[1]
    }
}

/// What a process that is started must not get of its parent.
package enum InheritedFiles {
    /// Has all files closed but the three that every program has. Libraries open some too, not all of them with care;
    /// closing what is not open is no mistake here.
    package static func close(_ actions: inout posix_spawn_file_actions_t) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        let highest = names.compactMap { Int32($0) }.max() ?? 255
        for descriptor in 3...highest + 64 { posix_spawn_file_actions_addclose(&actions, descriptor) }
    }
}
