import CoordinatorShell
import Files
import Foundation
import WorkerShell

/// A session in the background: this program again, without `--detach`, in a session of its own.
struct DetachedSession {
    let state: StateFolder

    private var log: String { "\(self.state.path)/session.log" }
    private static let logLimitBytes: UInt64 = 64 << 10

    /// Starts it, and waits until its coordinator serves workers or it has ended.
    ///
    /// - Throws: what it said, where it has ended with an error.
    func start() async throws {
        try DurableFile.makeFolder(self.state.path)
        let before = (try? FileManager.default.attributesOfItem(atPath: self.log)[.size] as? UInt64) ?? 0
        let id = try self.spawn(CommandLine.arguments.dropFirst().filter { $0 != "--detach" })
        while true {
            var status: Int32 = 0
            if waitpid(id, &status, WNOHANG) == id {
                let said = self.logText(from: before)
                guard status == 0 else { throw SessionError(said.isEmpty ? "it ended at once" : said) }
                return print(said)
            }
            if self.state.coordinatorProcess == Int(id) { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        print("runs in the background as process \(id); its lines go to \(self.log)")
        print("quintet status --follow\(self.state.argument) shows it at work")
    }

    private func logText(from start: UInt64) -> String {
        guard let file = FileHandle(forReadingAtPath: self.log) else { return "" }
        let end = (try? file.seekToEnd()) ?? 0
        let from = max(start, end - min(end, Self.logLimitBytes))
        try? file.seek(toOffset: from)
        let data = (try? file.readToEnd()) ?? Data()
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func spawn(_ arguments: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, self.log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        // Whoever started this process may wait for the end of what it gave it.
        InheritedFiles.close(&actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // So that the terminal's end is not its own: POSIX_SPAWN_SETSID, which the headers show to GNU C alone.
        posix_spawnattr_setflags(&attributes, 0x80)
        let argv = ([Executable.path] + arguments).map { strdup($0) } + [nil]
        defer { for text in argv { free(text) } }
        var id: pid_t = 0
        let code = posix_spawn(&id, Executable.path, &actions, &attributes, argv, environ)
        guard code == 0 else { throw StorageError("start", Executable.path, code: code) }
        return id
    }
}
