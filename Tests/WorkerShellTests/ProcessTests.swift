import Files
import Foundation
import Synchronization
import Testing

@testable import WorkerShell

@Suite struct ProcessTests {
    private let environment = ["PATH": "/usr/bin:/bin"]

    /// Goal: a child's lifeline ends with its parent's end of the pipe, whatever else that parent has started.
    /// Method: `cat` lives as long as its standard input. The first of two is let go of; were its pipe's end open in the
    /// second, it would live on.
    @Test func `no child holds a sibling's lifeline`() throws {
        var first: ChildProcess? = try ChildProcess(program: "cat", arguments: [], environment: self.environment)
        let second = try ChildProcess(program: "cat", arguments: [], environment: self.environment)
        let id = try #require(first?.id)
        first = nil
        var status: Int32 = 0
        #expect(waitpid(id, &status, 0) == id)
        #expect(status == 0)
        #expect(second.poll() == nil)
        second.signal(SIGKILL)
        while second.poll() == nil { usleep(1000) }
    }

    @Test func `a child inherits nothing but its three pipes`() throws {
        // One that a library forgot to close on exec.
        let forgotten = open("/dev/null", O_RDONLY)
        defer { close(forgotten) }
        let script = "for it in 0 1 2 \(forgotten); do [ -e /proc/$$/fd/$it ] && echo $it; done"
        #expect(try self.run("/bin/sh", ["-c", script]).lines.map(\.text) == ["0", "1", "2"])
    }

    private func run(
        _ program: String,
        _ arguments: [String],
        lineBytesLimit: Int = 1000
    ) throws -> (lines: [ProcessRun.Line], exit: ProcessExit?) {
        let heard = Mutex<(lines: [ProcessRun.Line], exit: ProcessExit?)>(([], nil))
        let ended = DispatchSemaphore(value: 0)
        let run = try ProcessRun(
            program: program,
            arguments: arguments,
            environment: self.environment,
            lineBytesLimit: lineBytesLimit
        ) { line in
            heard.withLock { $0.lines.append(line) }
        } onExit: { exit in
            heard.withLock { $0.exit = exit }
            ended.signal()
        }
        run.start()
        ended.wait()
        return heard.withLock { $0 }
    }

    @Test func `lines come in order and whole, the last one without its end too`() throws {
        let (lines, exit) = try self.run("/bin/sh", ["-c", "printf 'a\\n\\nb'; printf 'oops\\n' >&2; exit 7"])
        #expect(lines.filter { !$0.isError }.map(\.text) == ["a", "", "b"])
        #expect(lines.filter(\.isError).map(\.text) == ["oops"])
        #expect(exit == .code(7))
    }

    @Test func `a line over the limit is cut, and the next one is whole`() throws {
        let script = "head -c 5000 /dev/zero | tr '\\0' x; echo; echo next"
        let lines = try self.run("/bin/sh", ["-c", script], lineBytesLimit: 100).lines
        #expect(lines.map(\.isCut) == [true, false])
        #expect(lines[0].bytes.count == 100 && lines[1].text == "next")
    }

    @Test func `a signal's death is told as such, and a program that is not there by name`() throws {
        #expect(try self.run("/bin/sh", ["-c", "kill -9 $$"]).exit == .signal(SIGKILL))
        #expect(throws: StorageError.self) { try self.run("/no/such/program", []) }
    }

    /// A grandchild that outlives the trainer and holds its output must not keep a slot busy.
    @Test func `what a process leaves behind does not delay its end`() throws {
        let started = ContinuousClock.now
        let (_, exit) = try self.run("/bin/sh", ["-c", "sleep 30 & exit 3"])
        #expect(exit == .code(3))
        #expect(ContinuousClock.now - started < .seconds(20))
    }
}
