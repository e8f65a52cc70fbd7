import Foundation
import TestSupport
import Testing

/// The real program on a bad network, with processes that die and freeze.
@Suite(.serialized, .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"))
struct ChaosTests {
    /// Of storm; `QUINTET_CHAOS_SECONDS` asks for more.
    private static let seconds =
        ProcessInfo.processInfo.environment["QUINTET_CHAOS_SECONDS"].flatMap { Double($0) } ?? 30
    private static let seed =
        ProcessInfo.processInfo.environment["QUINTET_CHAOS_SEED"].flatMap { UInt64($0) } ?? 1

    /// A long storm needs work to last it.
    private static let seeds = max(2, Int(Self.seconds / 60))

    /// Mean seconds between two blows: they come as a Poisson process.
    private static let meanSecondsBetweenBlows = 1.5
    /// How long a frozen process stays so at most: longer than a heartbeat, shorter than a lease and longer.
    private static let frozenSeconds = 0.2...6.0

    /// Goal: cut, delayed, repeated and damaged bytes, and processes that are killed, crash or freeze change nothing
    /// about the table.
    /// Method: a coordinator and two workers that reach it through a faulty proxy; blows from a seed until the storm
    /// is over, whoever dies being started again; the table compared with that of an undisturbed run.
    @Test func `a sweep in a storm gives the table of an undisturbed one`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 40, seeds: Self.seeds)
        let (calm, stormy) = ("\(sandbox.folder)/calm", "\(sandbox.folder)/stormy")
        #expect(try await sandbox.run(["launch", grid, "--state", calm]).code == 0)

        var storm = try await Storm(sandbox: sandbox, grid: grid, state: stormy, seed: Self.seed)
        let end = ContinuousClock.now + .seconds(Self.seconds)
        while ContinuousClock.now < end {
            let wait = -Self.meanSecondsBetweenBlows * log(1 - Double.random(in: 0..<1, using: &storm.random))
            try await Task.sleep(for: .milliseconds(Int(1000 * min(wait, 5))))
            try await storm.blow(freezing: Self.frozenSeconds)
        }
        let output = try await storm.finish(withinSeconds: 120 + Self.seconds)
        print("storm of \(Int(Self.seconds)) s, seed \(Self.seed), \(2 * Self.seeds) shards: \(storm.figures)")
        #expect(output.code == 0, "\(output.text)")
        let left = await sandbox.waitUntilEmpty()
        #expect(left.isEmpty, "left behind: \(left)")
        let tables = try await (
            sandbox.run(["collect", "small", "--state", calm, "--format", "json"]),
            sandbox.run(["collect", "small", "--state", stormy, "--format", "json"])
        )
        #expect(tables.0.output == tables.1.output)
        #expect(tables.0.output.contains("lora"))
        for fault in ["cut", "delay", "flip"] { #expect(storm.proxy.seen[fault, default: 0] > 0, "never: \(fault)") }
    }
}

/// A coordinator, two workers and the proxy between them, all of them started again when they are gone.
private struct Storm {
    let sandbox: Sandbox
    let state: String
    let port: UInt16
    let proxy: FaultyProxy
    var random: SplitMix64
    private var coordinator: Running
    private var workers: [Running] = []
    private let joinLine: String
    /// How often what was done: blows by kind and process, and restarts.
    private var counts: [String: Int] = [:]

    private static let workerCount = 2

    init(sandbox: Sandbox, grid: String, state: String, seed: UInt64) async throws {
        self.sandbox = sandbox
        self.state = state
        self.random = SplitMix64(seed: seed)
        self.coordinator = try sandbox.start([
            "launch", grid, "--state", state, "--workers", "0", "--listen", "127.0.0.1:0", "--joins",
            "\(Self.workerCount)",
        ])
        let said = try #require(await self.coordinator.line(containing: "worker --join "), "\(self.coordinator.output)")
        let line = String(said[said.range(of: "--join ")!.upperBound...])
        let address = try #require(line.firstMatch(of: /127\.0\.0\.1:([0-9]+)/))
        self.port = try #require(UInt16(address.output.1))
        self.proxy = try FaultyProxy(to: self.port, seed: seed)
        self.joinLine = line.replacing(":\(self.port)", with: ":\(self.proxy.port)")
        for index in 0..<Self.workerCount { self.workers.append(try self.startWorker(index)) }
    }

    private func startWorker(_ index: Int) throws -> Running {
        try self.sandbox.start(
            ["worker", "--folder", "\(self.sandbox.folder)/worker-\(index)", "--threads", "1"],
            environment: ["QUINTET_JOIN": self.joinLine]
        )
    }

    private func startCoordinator() throws -> Running {
        try self.sandbox.start([
            "resume", "small", "--state", self.state, "--workers", "0", "--listen", "127.0.0.1:\(self.port)",
        ])
    }

    /// Something dies or freezes, and whoever is gone comes back.
    mutating func blow(freezing seconds: ClosedRange<Double>) async throws {
        let kinds = ["worker", "train", "train", "launch", "resume"]
        let kind = kinds.randomElement(using: &self.random) ?? "worker"
        if let victim = self.sandbox.processes.filter({ $0.kind == kind }).randomElement(using: &self.random) {
            let blow = ["SIGSEGV", "SIGSTOP", "SIGKILL", "SIGKILL"].randomElement(using: &self.random)
            self.counts["\(blow ?? "") \(kind)", default: 0] += 1
            switch blow {
            case "SIGSEGV": kill(victim.id, SIGSEGV)
            case "SIGSTOP":
                kill(victim.id, SIGSTOP)
                try await Task.sleep(for: .seconds(Double.random(in: seconds, using: &self.random)))
                kill(victim.id, SIGCONT)
            default: kill(victim.id, SIGKILL)
            }
        }
        try await self.revive()
    }

    private mutating func revive() async throws {
        // Exit code 0 is the end of the sweep.
        if !self.coordinator.isRunning {
            let code = await self.coordinator.wait()
            let words = code > 0 ? self.coordinator.output.split(separator: "\n").last.map { ": \($0)" } ?? "" : ""
            self.counts["coordinator restarted after \(code)\(words)", default: 0] += 1
            self.coordinator = try self.startCoordinator()
        }
        for index in self.workers.indices where !self.workers[index].isRunning {
            self.workers[index] = try self.startWorker(index)
            self.counts["worker restarted", default: 0] += 1
        }
    }

    /// What the storm did, for people.
    var figures: String {
        let network = self.proxy.seen.map { ("network \($0.key)", $0.value) }
        return self.counts.merging(network) { $0 + $1 }.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            .joined(separator: ", ")
    }

    /// The storm is over: waits until the sweep has ended, which takes much less in calm.
    mutating func finish(withinSeconds seconds: Double) async throws -> (code: Int32, text: String) {
        self.proxy.calmDown()
        defer { self.proxy.close() }
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            if !self.coordinator.isRunning, await self.coordinator.wait() == 0 { break }
            try await self.revive()
            try await Task.sleep(for: .milliseconds(100))
        }
        // Workers that are left are those that a dismissal did not reach.
        for worker in self.workers {
            worker.signal(SIGKILL)
            _ = await worker.wait()
        }
        if self.coordinator.isRunning { self.coordinator.signal(SIGKILL) }
        return (await self.coordinator.wait(), self.coordinator.output)
    }
}
