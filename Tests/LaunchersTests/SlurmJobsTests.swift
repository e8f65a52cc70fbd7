import Foundation
import Testing

@testable import Launchers

@Suite struct SlurmJobsTests {
    private let jobs = SlurmJobs(sweep: "first", stateFolder: "/home/me/a state", program: "/opt/it's/quintet")

    private func runsShell(_ script: String, environment: [String: String] = [:]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", script]
        process.environment = environment
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    /// Goal: no name of a folder or file means anything to the shell that runs a script.
    @Test(arguments: ["plain", "", "two words", "it's", "''", "$HOME `id` $(id)", "\"\\", "a\nb", "*;&|<>", "ü"])
    func `a quoted word is that word to a shell`(word: String) throws {
        #expect(try self.runsShell("printf %s \(shellQuoted(word))") == word)
    }

    /// Goal: the worker is started as meant, from folders with blanks and quotes, and knows the end of its job.
    /// Method: a shell in the program's place, which takes its first argument as a script, and a function in `squeue`'s:
    /// a file that a test has just written may not be executed yet while another test starts processes.
    @Test(arguments: [nil, "1700000000"])
    func `a worker's script starts it with its task's folder and end`(end: String?) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "quintet's jobs \(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try "echo worker; for word; do echo \"[$word]\"; done; echo \"end $SLURM_JOB_END_TIME\""
            .write(to: folder.appending(path: "worker"), atomically: true, encoding: .utf8)
        let jobs = SlurmJobs(sweep: "s", stateFolder: "/x/a state", program: "/bin/sh")
        var environment = ["SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "PATH": "/bin"]
        environment["SLURM_JOB_END_TIME"] = end
        let options = SlurmJobs.WorkerOptions(joinFile: "/x/a state/join", slots: 2, threads: 4, labels: ["a b"])
        #expect(
            try self.runsShell(
                """
                squeue() { echo "$SLURM_TIME_FORMAT $*"; }
                cd \(shellQuoted(folder.path))
                \(jobs.workersScript(options))
                """,
                environment: environment
            ) == """
                worker
                [--inherit]
                [--join-file]
                [/x/a state/join]
                [--folder]
                [/x/a state/joined/slurm-12_3]
                [--idle]
                [60]
                [--slots]
                [2]
                [--threads]
                [4]
                [--label]
                [a b]
                end \(end ?? "%s --noheader --jobs=12_3 --format=%e")

                """
        )
        #expect(jobs.workerFolder(SlurmTask.ID(job: 12, task: 3)) == "/x/a state/joined/slurm-12_3")
    }

    /// Goal: the coordinator's script runs the command where it was given, and ends as it does, also where a signal
    /// comes between.
    @Test func `the coordinator's script ends with the coordinator's code`() throws {
        let jobs = SlurmJobs(sweep: "s", stateFolder: "/x", program: "/bin/sh")
        let command = ["-c", "pwd; kill -TERM $PPID; echo 'it'\"'\"'s here'; exit 3"]
        let script = jobs.coordinatorScript(command, from: "/usr")
        #expect(try self.runsShell("/bin/sh -c \(shellQuoted(script)); echo $?") == "/usr\nit's here\n3\n")
    }

    @Test func `the user's options come after ours, and the names that jobs are known by after all`() {
        #expect(
            self.jobs.workersArguments(4, options: ["--time=8:00:00", "-p", "gpu", "--job-name=mine"]) == [
                "--parsable", "--requeue", "--signal=B:TERM@1", "--output=/home/me/a state/slurm/%A_%a.log",
                "--open-mode=append", "--time=8:00:00", "-p", "gpu", "--job-name=mine", "--array=1-4",
                "--job-name=quintet-first", "--chdir=/home/me/a state", "/home/me/a state/slurm/worker-first",
            ]
        )
        let odd = SlurmJobs(sweep: "s", stateFolder: "/100%A", program: "p")
        #expect(odd.workersArguments(1, options: []).contains("--output=/100%%A/slurm/%A_%a.log"))
    }

    @Test func `the queue holds this folder's jobs, and others' are left alone`() throws {
        let tasks = try self.jobs.tasks(in: [
            "12_3|PENDING|quintet-first|BeginTime|/home/me/a state",
            "7|RUNNING|quintet-first+launch|None|/home/me/a state",
            "13_1|RUNNING|quintet-first|None|/home/you",
            "14_1|PENDING|quintet-first|launch_failed_requeued_held|/home/me/a state",
            "",
        ])
        #expect(tasks.map(\.id.description) == ["12_3", "7", "14_1"])
        #expect(tasks.map(\.isCoordinator) == [false, true, false])
        #expect(tasks.map(\.isAlive) == [true, true, false])
        #expect(tasks.map(\.isWaiting) == [true, false, true])
    }

    /// Goal: a home that is a link is one home, whichever of its names a job was submitted with, or the state folder is
    /// given by.
    @Test func `jobs of a state folder with two names are known by both`() throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "quintet-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: "\(place)/real", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: place) }
        try FileManager.default.createSymbolicLink(atPath: "\(place)/link", withDestinationPath: "real")
        let names = ["\(place)/real", "\(place)/link"]
        // Before the folder is made, and then.
        for _ in 0..<2 {
            let all = names.map { SlurmJobs(sweep: "s", stateFolder: "\($0)/state", program: "p") }
            #expect(Set(all.map(\.stateFolder)).count == 1)
            for jobs in all {
                let lines = names.map { "7|RUNNING|quintet-s|None|\($0)/state" }
                #expect(try jobs.tasks(in: lines).count == 2)
            }
            try FileManager.default.createDirectory(atPath: "\(place)/real/state", withIntermediateDirectories: true)
        }
    }

    @Test(arguments: [
        "12_3|PENDING|x", "12_x|A|b|c|d", "0|A|b|c|d", "-1|A|b|c|d", "1_2_3|A|b|c|d", "1_|A|b|c|d", "error",
    ])
    func `what is no line of the queue is named`(line: String) {
        let error = #expect(throws: SlurmError.self) { try self.jobs.tasks(in: [line]) }
        #expect(error?.description.contains(line) == true)
    }

    @Test func `a job's number is read with or without its cluster`() throws {
        #expect(try SlurmJobs.jobNumber(in: ["12"]) == 12)
        #expect(try SlurmJobs.jobNumber(in: ["a note of the site's", "12;alps", ""]) == 12)
        for lines in [[], [""], ["Submitted batch job 12"], ["0"], ["-3"]] {
            #expect(throws: SlurmError.self) { try SlurmJobs.jobNumber(in: lines) }
        }
    }

    @Test func `a controller that is away is told from a refusal`() {
        #expect(SlurmError("sbatch: error: Batch job submission failed: Unable to contact slurm controller").isPassing)
        #expect(SlurmError("slurm_load_jobs error: Socket timed out on send/recv operation").isPassing)
        #expect(!SlurmError("sbatch: error: invalid partition specified: none").isPassing)
    }
}
