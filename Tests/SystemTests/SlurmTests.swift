import CoordinatorShell
import Foundation
import Sweeps
import Testing

/// A Slurm of a test's own: see `Slurm/rig`.
private struct SlurmRig {
    let folder: String

    private static let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Slurm/rig").path

    /// Why there can be none here; `nil` where there can.
    static let obstacle: String? =
        if getuid() != 0 {
            "Slurm's daemons need root"
        } else if !["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged", "/usr/bin/sbatch"]
            .allSatisfy({ FileManager.default.isExecutableFile(atPath: $0) })
        {
            "Slurm is not installed: cluster/setup --tests does it"
        } else {
            nil
        }

    var environment: [String: String] { ["SLURM_CONF": "\(self.folder)/slurm.conf"] }

    /// Runs the body with a Slurm of two nodes, which is gone afterwards with all its jobs.
    static func run(in sandbox: Sandbox, _ body: (SlurmRig) async throws -> Void) async throws {
        let rig = SlurmRig(folder: "\(sandbox.folder)/rig")
        _ = try await rig.command([Self.script, "start", rig.folder])
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(rig)) } catch { outcome = .failure(error) }
        for process in sandbox.processes { kill(process.id, SIGKILL) }
        _ = try await rig.command([Self.script, "stop", rig.folder])
        try outcome.get()
    }

    /// Runs one of Slurm's commands, which must succeed.
    func command(_ words: [String]) async throws -> String {
        let all = ProcessInfo.processInfo.environment.merging(self.environment) { $1 }
        let running = try Running(words, environment: all)
        let code = await running.wait()
        guard code == 0 else { throw RigError(description: "\(words): \(code), \(running.output)") }
        return running.output
    }

    /// The node loses its power.
    func fail(_ node: String) async throws { _ = try await self.command([Self.script, "fail", self.folder, node]) }

    /// States of all jobs in the queue, by name.
    func queue() async throws -> [(name: String, state: String)] {
        try await self.command(["squeue", "--noheader", "--array", "--format=%j|%T"]).split(separator: "\n").map {
            let parts = $0.split(separator: "|").map(String.init)
            return (parts[0], parts[1])
        }
    }

    /// Waits until jobs of the queue are as they should be.
    func wait(until isReached: ([(name: String, state: String)]) -> Bool) async throws {
        while !isReached(try await self.queue()) { try await Task.sleep(for: .milliseconds(100)) }
    }
}

private struct RigError: Error, CustomStringConvertible { let description: String }

@Suite(
    .serialized,
    .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"),
    .enabled(if: SlurmRig.obstacle == nil, "\(SlurmRig.obstacle ?? "")"),
    .timeLimit(.minutes(10))
)
struct SlurmTests {
    private func state(_ sandbox: Sandbox) -> [String] { ["--state", "\(sandbox.folder)/state"] }

    /// A launch on Slurm, of which each node has room for one worker, or for several of `cores` each.
    private func launch(_ grid: String, _ sandbox: Sandbox, workers: Int = 2, more: [String] = [], sbatch: [String])
        -> [String]
    {
        ["launch", grid] + self.state(sandbox)
            + ["--on", "slurm", "--workers", "\(workers)", "--threads", "1", "--listen", "127.0.0.1:0"]
            + ["--queue-seconds", "1"] + more + ["--"] + sbatch
    }

    private func table(_ sandbox: Sandbox, state: String = "state") async throws -> String {
        let collected = try await sandbox.run(["collect", "--format", "csv", "--state", "\(sandbox.folder)/\(state)"])
        #expect(collected.code == 0, "\(collected.output)")
        return collected.output
    }

    /// The table of a launch on this machine alone.
    private func localTable(_ grid: String, _ sandbox: Sandbox, more: [String] = []) async throws -> String {
        let state = ["--state", "\(sandbox.folder)/local"]
        let local = try await sandbox.run(["launch", grid, "--threads", "1"] + state + more)
        #expect(local.code == 0, "\(local.output)")
        return try await self.table(sandbox, state: "local")
    }

    /// Lines that say that a shard began, and those of them that went on from a checkpoint.
    private func starts(_ output: String) -> (all: Int, later: Int) {
        let lines = output.split(separator: "\n").filter { $0.contains("started ") }
        return (lines.count, lines.count { $0.contains(" from step ") })
    }

    /// Waits until a shard of the sweep has a checkpoint.
    private func waitForCheckpoint(_ sandbox: Sandbox) async throws {
        while try await !sandbox.run(["status"] + self.state(sandbox)).output.contains("checkpoint at step") {
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func expectNothingLeft(_ sandbox: Sandbox, _ rig: SlurmRig) async throws {
        try await rig.wait { $0.allSatisfy { $0.state == "COMPLETING" } }
        #expect(await sandbox.waitUntilEmpty(seconds: 60).isEmpty)
    }

    /// Goal: a whole sweep by jobs of Slurm gives this machine's table, names its jobs, and leaves none behind; both have
    /// the labels that they are given.
    @Test func `a sweep on Slurm gives the table of this machine`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(methods: ["full", "lora", "bitfit"], epochs: 8)
        let labelled = try String(contentsOfFile: grid, encoding: .utf8) + "\nneeds: {labels: [big, quick]}\n"
        try labelled.write(toFile: grid, atomically: true, encoding: .utf8)
        let labels = ["--label", "big", "--label", "quick"]
        try await SlurmRig.run(in: sandbox) { rig in
            let command = self.launch(grid, sandbox, workers: 3, more: labels, sbatch: ["-c", "2"])
            let launched = try await sandbox.run(command, environment: rig.environment)
            #expect(launched.code == 0, "\(launched.output)")
            #expect(launched.output.contains("job 1: workers 1 to 3,"), "\(launched.output)")
            let store = try Store(reading: "\(sandbox.folder)/state/quintet.sqlite")
            let jobs = try store.shards(of: try store.sweep(named: "small")).map { $0.result?.environment.job }
            #expect(jobs.allSatisfy { $0?.hasPrefix("slurm 1_") == true }, "\(jobs)")
            #expect(launched.output.contains(", slurm 1_"), "\(launched.output)")
            try await self.expectNothingLeft(sandbox, rig)
            #expect(try await sandbox.run(["gc"] + self.state(sandbox)).code == 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(sandbox.folder)/state/joined").isEmpty)
        }
        #expect(try await self.table(sandbox) == (try await self.localTable(grid, sandbox, more: labels)))
    }

    /// Goal: what a node was training when its power went goes on from the last checkpoint, and the sweep ends.
    @Test func `a node that fails costs the steps since the last checkpoints`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 40, seeds: 1)
        try await SlurmRig.run(in: sandbox) { rig in
            let launch = try sandbox.start(
                self.launch(grid, sandbox, sbatch: ["-c", "4"]),
                environment: rig.environment
            )
            try await self.waitForCheckpoint(sandbox)
            try await rig.wait { $0.count { $0.state == "RUNNING" } == 2 }
            let status = try await sandbox.run(["status"] + self.state(sandbox)).output
            #expect(status.contains("slurm 1_1") || status.contains("slurm 1_2"), "\(status)")
            try await rig.fail("n1")
            #expect(await launch.wait() == 0, "\(launch.output)")
            #expect(self.starts(launch.output).all > 2, "\(launch.output)")
            try await self.expectNothingLeft(sandbox, rig)
        }
        #expect(try await self.table(sandbox) == (try await self.localTable(grid, sandbox)))
    }

    /// Goal: a job of a higher priority gets the node at once, and exactly the shard that ran there goes on later from
    /// the checkpoint that its worker handed back.
    /// Method: a partition that kills what it preempts after a short wait, and one with a grace that warns at its start.
    @Test(arguments: ["low", "gentle"])
    func `a preempted worker hands back, and its shard goes on`(partition: String) async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(methods: ["lora"], epochs: 40, seeds: 1)
        try await SlurmRig.run(in: sandbox) { rig in
            let launch = try sandbox.start(
                self.launch(grid, sandbox, workers: 1, sbatch: ["-c", "4", "-w", "n1", "-p", partition]),
                environment: rig.environment
            )
            try await self.waitForCheckpoint(sandbox)
            _ = try await rig.command([
                "sbatch", "-p", "high", "-c", "4", "-w", "n1", "-o", "/dev/null", "--wrap", "sleep 1",
            ])
            #expect(await launch.wait() == 0, "\(launch.output)")
            let starts = self.starts(launch.output)
            #expect(starts.all == 2 && starts.later == 1, "\(launch.output)")
            #expect(!launch.output.contains("failed"), "\(launch.output)")
            try await self.expectNothingLeft(sandbox, rig)
        }
        #expect(try await self.table(sandbox) == (try await self.localTable(grid, sandbox)))
    }

    /// Goal: a shard that is longer than the jobs' time limit ends all the same: each job hands back before its end.
    /// Method: Slurm counts minutes, and a worker hands back 90 s before the end, so two minutes are half a minute. On
    /// a machine that is faster than the shard is long, it is made longer.
    @Test func `a shard longer than the time limit ends in further jobs`() async throws {
        for epochs in [400, 1600, 6400] {
            let sandbox = try Sandbox()
            let grid = try sandbox.writeGrid(methods: ["lora"], epochs: epochs, seeds: 1, checkpointSeconds: 60)
            let local = Task { try await self.localTable(grid, sandbox) }
            var starts = (all: 0, later: 0)
            try await SlurmRig.run(in: sandbox) { rig in
                let command = self.launch(grid, sandbox, workers: 1, sbatch: ["--time=2"])
                let launched = try await sandbox.run(command, environment: rig.environment)
                #expect(launched.code == 0, "\(launched.output)")
                starts = self.starts(launched.output)
                #expect(starts.later == starts.all - 1, "\(launched.output)")
                let log = try String(contentsOfFile: "\(rig.folder)/slurmctld.log", encoding: .utf8)
                #expect(!log.contains("Time limit exhausted"))
                _ = try await local.value
                try await self.expectNothingLeft(sandbox, rig)
            }
            #expect(try await self.table(sandbox) == (try await local.value))
            if starts.all > 1 { return }
        }
        Issue.record("no shard is long enough for this machine")
    }

    /// Goal: the coordinator is a job like others: when it is put back into the queue, workers train on and find it
    /// where it starts again.
    @Test func `the coordinator's job comes back after a requeue, and its workers find it`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 60, seeds: 1)
        try await SlurmRig.run(in: sandbox) { rig in
            let command = self.launch(grid, sandbox, more: ["--detach"], sbatch: [])
            let launched = try await sandbox.run(command, environment: rig.environment)
            #expect(launched.code == 0, "\(launched.output)")
            let job = try #require(launched.output.split(separator: " ").compactMap { Int($0) }.first)
            #expect(try await sandbox.run(["status"] + self.state(sandbox)).output.contains("small: 0 of 2 done"))
            let twice = try await sandbox.run(command, environment: rig.environment)
            #expect(twice.code != 0 && twice.output.contains("job \(job) "), "\(twice.output)")
            let log = "\(sandbox.folder)/state/slurm/launch-\(job).log"
            try await self.waitForCheckpoint(sandbox)
            let follow = try sandbox.start(["status", "--follow"] + self.state(sandbox), environment: rig.environment)
            _ = try await rig.command(["scontrol", "requeue", "\(job)"])
            #expect(await follow.wait() == 0, "\(follow.output)")
            try await rig.wait { $0.allSatisfy { $0.state == "COMPLETING" } }
            let text = try String(contentsOfFile: log, encoding: .utf8)
            #expect(text.contains("jobs of this sweep in the queue already: 2"), "\(text)")
            // No worker ended with the coordinator, so there was no need for more.
            #expect(text.components(separatedBy: ": workers 1 to ").count == 2, "\(text)")
            #expect(self.starts(text).later == 0, "\(text)")
            #expect(follow.output.contains("lora"), "\(follow.output)")
            try await self.expectNothingLeft(sandbox, rig)
        }
        #expect(try await self.table(sandbox) == (try await self.localTable(grid, sandbox)))
    }

    /// Goal: what a person decides while the coordinator's job waits or runs holds where it starts again: the grid's file
    /// is theirs again, and a paused sweep stays paused.
    @Test func `a coordinator's job that starts again needs no grid, and leaves a paused sweep so`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 40, seeds: 1)
        try await SlurmRig.run(in: sandbox) { rig in
            let command = self.launch(grid, sandbox, more: ["--detach"], sbatch: [])
            let launched = try await sandbox.run(command, environment: rig.environment)
            #expect(launched.code == 0, "\(launched.output)")
            let job = try #require(launched.output.split(separator: " ").compactMap { Int($0) }.first)
            try "no grid".write(toFile: grid, atomically: true, encoding: .utf8)
            try await self.waitForCheckpoint(sandbox)
            #expect(try await sandbox.run(["pause", "small"] + self.state(sandbox)).code == 0)
            _ = try await rig.command(["scontrol", "requeue", "\(job)"])
            for state in ["PENDING", "RUNNING"] {
                try await rig.wait { $0.contains { $0.name == "quintet-small+launch" && $0.state == state } }
            }
            while try await sandbox.run(["health"] + self.state(sandbox)).code != 0 {}
            let status = try await sandbox.run(["status"] + self.state(sandbox)).output
            #expect(status.contains("(paused)"), "\(status)")
            #expect(try await sandbox.run(["unpause", "small"] + self.state(sandbox)).code == 0)
            let follow = try await sandbox.run(["status", "--follow"] + self.state(sandbox))
            #expect(follow.code == 0, "\(follow.output)")
            try await self.expectNothingLeft(sandbox, rig)
        }
        let again = try sandbox.writeGrid(epochs: 40, seeds: 1)
        #expect(try await self.table(sandbox) == (try await self.localTable(again, sandbox)))
    }

    @Test func `quintet cancel ends the coordinator's job and the workers'`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(epochs: 5000, seeds: 3)
        try await SlurmRig.run(in: sandbox) { rig in
            let command = self.launch(grid, sandbox, more: ["--detach"], sbatch: [])
            let launched = try await sandbox.run(command, environment: rig.environment)
            #expect(launched.code == 0, "\(launched.output)")
            try await self.waitForCheckpoint(sandbox)
            let cancelled = try await sandbox.run(
                ["cancel", "small"] + self.state(sandbox),
                environment: rig.environment
            )
            #expect(cancelled.code == 0, "\(cancelled.output)")
            try await self.expectNothingLeft(sandbox, rig)
            #expect(try await sandbox.run(["status"] + self.state(sandbox)).output.contains("(cancelled)"))
        }
    }

    /// Goal: jobs that cannot work are not submitted for ever, and a person learns where to look.
    @Test func `jobs that end before they join are soon submitted no more`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid()
        try await SlurmRig.run(in: sandbox) { rig in
            // Less than handing back may take.
            let launch = try sandbox.start(
                self.launch(grid, sandbox, workers: 3, sbatch: ["--time=1"]),
                environment: rig.environment
            )
            let line = try #require(await launch.line(containing: "so no more are submitted"), "\(launch.output)")
            let log = try #require(line.split(separator: " ").first { $0.hasSuffix(".log") })
            #expect(try String(contentsOfFile: String(log), encoding: .utf8).contains("give the job more time"))
            launch.signal(SIGKILL)
            _ = await launch.wait()
            try await self.expectNothingLeft(sandbox, rig)
        }
    }

    /// Goal: nor are those that reach the coordinator, but are not what the sweep asks for. Method: more tasks at once than
    /// it takes, since each waits a minute for work.
    @Test func `jobs that can be given nothing are soon submitted no more`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(seeds: 3)
        let needy = try String(contentsOfFile: grid, encoding: .utf8) + "\nneeds: {labels: [big]}\n"
        try needy.write(toFile: grid, atomically: true, encoding: .utf8)
        try await SlurmRig.run(in: sandbox) { rig in
            let command = self.launch(grid, sandbox, workers: 6, more: ["--label", "small"], sbatch: [])
            let launch = try sandbox.start(command, environment: rig.environment)
            let line = try #require(await launch.line(containing: "so no more are submitted"), "\(launch.output)")
            #expect(line.contains("before they could be given a shard"), "\(line)")
            launch.signal(SIGKILL)
            _ = await launch.wait()
            try await self.expectNothingLeft(sandbox, rig)
        }
    }

    @Test func `what sbatch refuses is told in its own words`() async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid()
        try await SlurmRig.run(in: sandbox) { rig in
            let launch = try sandbox.start(
                self.launch(grid, sandbox, sbatch: ["--partition=none"]),
                environment: rig.environment
            )
            #expect(await launch.line(containing: "invalid partition specified: none") != nil, "\(launch.output)")
            launch.signal(SIGKILL)
            _ = await launch.wait()
        }
    }
}
