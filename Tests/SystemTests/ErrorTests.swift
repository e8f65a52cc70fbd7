import Foundation
import Testing

/// What goes wrong outside is said in one line, with a code that is not 0, and costs nothing that was finished.
@Suite(.serialized, .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"))
struct ErrorTests {
    private func expectOneLine(
        _ result: (code: Int32, output: String),
        containing part: String,
        location: SourceLocation = #_sourceLocation
    ) {
        let lines = result.output.split(separator: "\n").filter { $0.hasPrefix("quintet: ") }
        #expect(result.code != 0, "\(result.output)", sourceLocation: location)
        #expect(lines.count == 1 && lines[0].contains(part), "\(result.output)", sourceLocation: location)
    }

    @Test func `a state folder that another coordinator uses is refused`() async throws {
        let sandbox = try Sandbox()
        let (grid, state) = (try sandbox.writeGrid(epochs: 5000), "\(sandbox.folder)/state")
        let first = try sandbox.start(["launch", grid, "--state", state])
        _ = await first.line(containing: "started")
        let second = try await sandbox.run(["launch", grid, "--state", state])
        self.expectOneLine(second, containing: "is used by another coordinator (process \(first.id))")
        // Looking is allowed meanwhile.
        #expect(try await sandbox.run(["status", "--state", state]).output.hasPrefix("small: 0 of 4 done"))
        first.signal(SIGINT)
        first.signal(SIGINT)
        _ = await first.wait()
        #expect(await sandbox.waitUntilEmpty().isEmpty)
    }

    @Test func `a port in use is refused`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 200)
        let first = try sandbox.start(["launch", grid, "--state", "\(sandbox.folder)/a", "--listen", "127.0.0.1:0"])
        let line = try #require(await first.line(containing: "quintet worker --join"), "\(first.output)")
        let join = try #require(line.split(separator: " ").last)
        let port = try #require(join.split(separator: ":").dropFirst(3).first)
        let second = try await sandbox.run(
            ["launch", grid, "--state", "\(sandbox.folder)/b", "--listen", "127.0.0.1:\(port)"])
        self.expectOneLine(second, containing: "port \(port) of 127.0.0.1 is already in use")
        kill(first.id, SIGKILL)
        _ = await first.wait()
        #expect(await sandbox.waitUntilEmpty().isEmpty)
    }

    @Test func `a coordinator that is not there is told, and so is a line that is none`() async throws {
        let sandbox = try Sandbox()
        let digits = String(repeating: "0", count: 64)
        let line = "quintet-join:1:127.0.0.1:1:\(digits.prefix(32)):\(digits)"
        self.expectOneLine(try await sandbox.run(["worker", "--join", line]), containing: "cannot reach 127.0.0.1:1")
        self.expectOneLine(try await sandbox.run(["worker", "--join", "hello"]), containing: "this is no join line")
    }

    @Test func `sweeps that are not there are told with the nearest name`() async throws {
        let sandbox = try Sandbox()
        let state = "\(sandbox.folder)/state"
        self.expectOneLine(try await sandbox.run(["resume", "--state", state]), containing: "there is no sweep in")
        #expect(!FileManager.default.fileExists(atPath: state))
        let grid = try sandbox.writeGrid(epochs: 1, seeds: 1)
        #expect(try await sandbox.run(["launch", grid, "--state", state]).code == 0)
        self.expectOneLine(try await sandbox.run(["resume", "smal", "--state", state]), containing: "\"small\"?")
    }

    @Test func `damaged inputs are told before anything starts`() async throws {
        let sandbox = try Sandbox()
        let (grid, state) = (try sandbox.writeGrid(epochs: 1, seeds: 1), "\(sandbox.folder)/state")
        #expect(try await sandbox.run(["launch", grid, "--state", state]).code == 0)
        let data = URL(filePath: "\(sandbox.folder)/cache/data/offline/train.tsv")
        let weights = URL(filePath: "\(sandbox.folder)/cache/backbones/tiny-random/model.safetensors")
        for file in [data, weights] {
            let whole = try Data(contentsOf: file)
            try whole.prefix(whole.count / 2).write(to: file)
            // A table cut at a line's end would be a smaller table: cut inside a line.
            if file == data { try (whole.prefix(200) + Data("\nno columns".utf8)).write(to: file) }
            let result = try await sandbox.run(["launch", grid, "--state", state])
            self.expectOneLine(result, containing: file.lastPathComponent)
            try whole.write(to: file)
        }
        // What the sweep was launched with must be what it goes on with.
        try (Data(contentsOf: data) + Data("one more\t1\n".utf8)).write(to: data)
        self.expectOneLine(
            try await sandbox.run(["resume", "--state", state]),
            containing: "are not those that the sweep was launched with"
        )
    }

    /// Goal: a shard whose checkpoints would not fit is not begun: said in one line, and by `why` and `status`.
    /// Method: a quota in which the small shards fit and the large ones do not.
    @Test func `a shard whose checkpoints would go over the quota waits, and the others go on`() async throws {
        let sandbox = try Sandbox()
        let state = "\(sandbox.folder)/state"
        let grid = try sandbox.writeGrid(epochs: 1, seeds: 1)
        let cramped = try await sandbox.run(["launch", grid, "--state", state, "--disk", "3"])
        #expect(cramped.code == 1 && cramped.output.contains("no space left for checkpoints"), "\(cramped.output)")
        let table = try await sandbox.run(["status", "--state", state]).output
        #expect(table.contains("1 of 2 done") && table.contains("offline/full/0 waiting"), "\(table)")

        let coordinator = try sandbox.start(
            ["coordinator", "--listen", "127.0.0.1:0", "--state", state, "--disk", "3"]
        )
        let line = try #require(await coordinator.line(containing: "quintet worker --join"), "\(coordinator.output)")
        let join = try #require(line.split(separator: " ").last.map(String.init))
        let worker = try sandbox.start(["worker", "--join", join, "--folder", "\(sandbox.folder)/worker"])
        _ = try #require(await coordinator.line(containing: "until there is room"), "\(coordinator.output)")
        let why = try await sandbox.run(["why", "offline/full/0", "--state", state]).output
        #expect(why.contains("there is no room for it") && why.contains("--disk is 3 MiB"), "\(why)")
        #expect(try await sandbox.run(["status", "--state", state]).output.contains("no room for more shards"))
        for running in [worker, coordinator] {
            running.signal(SIGINT)
            _ = await running.wait()
        }

        let roomy = try await sandbox.run(["resume", "--state", state, "--disk", "100"])
        #expect(roomy.code == 0, "\(roomy.output)")
        #expect(await sandbox.waitUntilEmpty().isEmpty)
    }

    @Test func `a grid that no worker here can run is told at once`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 1, seeds: 1)
        let text = try String(contentsOfFile: grid, encoding: .utf8)
        try "\(text)\nneeds: {labels: lab}\n".write(toFile: grid, atomically: true, encoding: .utf8)
        let launch = try await sandbox.run(["launch", grid, "--state", "\(sandbox.folder)/state"])
        #expect(launch.code == 1 && launch.output.contains("lacks the label lab"), "\(launch.output)")
    }

    /// Goal: a worker whose disk could not hold a shard's checkpoints says so before it trains.
    @Test(.enabled("a small file system cannot be mounted here: that takes root") { await SmallDisk.isPossible() })
    func `a worker without room for checkpoints hands back before it trains`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(methods: ["full"], epochs: 1, seeds: 1)
        let disk = try await SmallDisk(at: "\(sandbox.folder)/small", kilobytes: 2000)
        let launch = try sandbox.start(
            ["launch", grid, "--workers", "0", "--listen", "127.0.0.1:0", "--state", "\(sandbox.folder)/state"]
        )
        let join = await launch.line(containing: "quintet worker --join")?.split(separator: " ").last.map(String.init)
        let worker = try sandbox.start(["worker", "--join", join ?? "", "--folder", "\(sandbox.folder)/small/worker"])
        #expect(await launch.line(containing: "of checkpoints in") != nil, "\(launch.output)")
        #expect(!launch.output.contains("started"), "\(launch.output)")
        for running in [worker, launch] {
            running.signal(SIGINT)
            _ = await running.wait()
        }
        await disk.remove()
    }

    /// Goal: a full disk ends the session with one line, loses nothing, and resuming goes on once there is room.
    /// Method: a small file system under the state folder: first too small to begin, then filled up while it trains.
    @Test(.enabled("a small file system cannot be mounted here: that takes root") { await SmallDisk.isPossible() })
    func `a full disk loses nothing`() async throws {
        let sandbox = try Sandbox()
        let (calm, full) = ("\(sandbox.folder)/calm", "\(sandbox.folder)/full")
        let grid = try sandbox.writeGrid(epochs: 40, seeds: 1)
        #expect(try await sandbox.run(["launch", grid, "--state", calm]).code == 0)
        let disk = try await SmallDisk(at: full, kilobytes: 400)
        let cramped = try await sandbox.run(["launch", grid, "--state", full])
        #expect(cramped.code == 1 && cramped.output.contains("no space left for checkpoints"), "\(cramped.output)")
        #expect(!cramped.output.contains("started"))
        try await disk.resize(kilobytes: 100_000)
        let running = try sandbox.start(["launch", grid, "--state", full])
        _ = await running.line(containing: "started")
        try Data().write(to: URL(filePath: "\(full)/filler"))
        let filler = try FileHandle(forWritingTo: URL(filePath: "\(full)/filler"))
        let block = Data(count: 4096)
        while (try? filler.write(contentsOf: block)) != nil {}
        #expect(await running.wait() == 1, "\(running.output)")
        #expect(running.output.localizedCaseInsensitiveContains("no space left"), "\(running.output)")
        #expect(await sandbox.waitUntilEmpty().isEmpty)
        try FileManager.default.removeItem(atPath: "\(full)/filler")
        try filler.close()
        let roomy = try await sandbox.run(["launch", grid, "--state", full])
        #expect(roomy.code == 0, "\(roomy.output)")
        let tables = try await (
            sandbox.run(["collect", "--state", calm, "--format", "json"]),
            sandbox.run(["collect", "--state", full, "--format", "json"])
        )
        #expect(tables.0.output == tables.1.output)
        await disk.remove()
    }

    @Test func `another grid of the same name runs only what is new`() async throws {
        let sandbox = try Sandbox()
        let state = "\(sandbox.folder)/state"
        #expect(try await sandbox.run(["launch", try sandbox.writeGrid(seeds: 1), "--state", state]).code == 0)
        let more = try await sandbox.run(["launch", try sandbox.writeGrid(seeds: 2), "--state", state])
        #expect(more.code == 0)
        #expect(more.output.contains("has another grid now"))
        let started = more.output.split(separator: "\n").filter { $0.hasPrefix("started") }.compactMap {
            $0.split(separator: " ").dropFirst().first
        }
        #expect(Set(started) == ["offline/full/1", "offline/lora/1"])
    }
}

/// A file system of its own with little room.
private struct SmallDisk {
    let path: String

    init(at path: String, kilobytes: Int) async throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try await Self.run("mount -t tmpfs -o size=\(kilobytes)k tmpfs \(path)")
    }

    func resize(kilobytes: Int) async throws { try await Self.run("mount -o remount,size=\(kilobytes)k \(self.path)") }

    func remove() async { try? await Self.run("umount \(self.path)") }

    static func isPossible() async -> Bool {
        let path = FileManager.default.temporaryDirectory.appending(path: "quintet-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        guard let disk = try? await SmallDisk(at: path, kilobytes: 100) else { return false }
        await disk.remove()
        return true
    }

    private static func run(_ words: String) async throws {
        let running = try Running(
            words.split(separator: " ").map(String.init),
            environment: ProcessInfo.processInfo.environment
        )
        guard await running.wait() == 0 else { throw CocoaError(.fileWriteUnknown) }
    }
}
