internal import Foundation

/// A sweep's jobs in Slurm, as text: the scripts, what `sbatch` is given, and how they are known again in the queue.
///
/// The queue itself is the record of what was submitted: jobs are ours by name and working folder, so that a coordinator
/// that starts anew finds them, and no order of crash and submission makes two arrays of one.
public struct SlurmJobs: Hashable, Sendable {
    public let sweep: String
    /// Absolute, without links where it exists, and the same on all nodes.
    public let stateFolder: String
    /// This program's file, the same on all nodes.
    public let program: String

    public init(sweep: String, stateFolder: String, program: String) {
        self.sweep = sweep
        self.stateFolder = Self.resolved(stateFolder)
        self.program = program
    }

    /// What each worker is started with.
    public struct WorkerOptions: Hashable, Sendable {
        /// Readable by its owner alone; neither command lines nor environments hold what it holds.
        public var joinFile: String
        public var slots: Int
        /// `nil`: the worker shares out what its job was given.
        public var threads: Int?
        /// What sweeps may ask for by name.
        public var labels: [String]
        /// After so long without work it ends, and its node is others' again.
        public var idleSeconds: Int

        public init(joinFile: String, slots: Int, threads: Int? = nil, labels: [String] = [], idleSeconds: Int = 60) {
            self.joinFile = joinFile
            self.slots = slots
            self.threads = threads
            self.labels = labels
            self.idleSeconds = idleSeconds
        }
    }

    public var workersName: String { "quintet-\(self.sweep)" }
    /// No sweep's name has a plus sign.
    public var coordinatorName: String { "quintet-\(self.sweep)+launch" }
    public var scriptsFolder: String { "\(self.stateFolder)/slurm" }
    public var workersScriptFile: String { "\(self.scriptsFolder)/worker-\(self.sweep)" }
    public var coordinatorScriptFile: String { "\(self.scriptsFolder)/launch-\(self.sweep)" }

    /// A requeued task finds its certificate and what it has not handed over in the folder of its number.
    public func workerFolder(_ task: SlurmTask.ID) -> String { "\(self.stateFolder)/joined/slurm-\(task)" }
    public func workerLog(_ task: SlurmTask.ID) -> String { "\(self.scriptsFolder)/\(task).log" }
    public func coordinatorLog(_ job: Int) -> String { "\(self.scriptsFolder)/launch-\(job).log" }

    /// The script of a worker array's tasks.
    public func workersScript(_ options: WorkerOptions) -> String {
        let folder = shellQuoted("\(self.stateFolder)/joined/slurm-")
        let threads = options.threads.map { " --threads \($0)" } ?? ""
        let labels = options.labels.map { " --label \(shellQuoted($0))" }.joined()
        return """
            #!/bin/sh
            # One worker of the sweep \(self.sweep); written anew by each launch.
            task="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
            # Slurm before 23.02 does not say by itself when the job ends.
            if [ -z "$SLURM_JOB_END_TIME" ]; then
                SLURM_JOB_END_TIME=$(SLURM_TIME_FORMAT=%s squeue --noheader --jobs="$task" --format=%e)
                export SLURM_JOB_END_TIME
            fi
            exec \(shellQuoted(self.program)) worker --inherit --join-file \(shellQuoted(options.joinFile)) \\
                --folder \(folder)"$task" --idle \(options.idleSeconds) --slots \(options.slots)\(threads)\(labels)

            """
    }

    /// The script of the coordinator's own job.
    ///
    /// - Parameters:
    ///   - arguments: of this program.
    ///   - folder: where they were given, so that relative paths mean the same.
    public func coordinatorScript(_ arguments: [String], from folder: String) -> String {
        let command = ([self.program] + arguments).map(shellQuoted).joined(separator: " ")
        return """
            #!/bin/sh
            # The coordinator of the sweep \(self.sweep); written anew by each launch.
            # Before its time is up it goes back into the queue, and on from there.
            trap 'scontrol requeue "$SLURM_JOB_ID"' USR1
            # Slurm tells every process of a job to end: this one waits for the other.
            trap : TERM INT
            cd \(shellQuoted(folder)) || exit 1
            \(command) &
            child=$!
            while true; do
                wait "$child"
                code=$?
                kill -0 "$child" 2>/dev/null || exit "$code"
            done

            """
    }

    /// For `sbatch`: as many workers more.
    ///
    /// - Parameter options: the user's own, which win, save over what the jobs are known by.
    public func workersArguments(_ count: Int, options: [String]) -> [String] {
        let first = ["--requeue", "--signal=B:TERM@1", "--output=\(self.pattern("%A_%a.log"))", "--open-mode=append"]
        let last = ["--array=1-\(count)"] + self.identity(self.workersName)
        return ["--parsable"] + first + options + last + [self.workersScriptFile]
    }

    /// For `sbatch`: the coordinator's job, which needs one core.
    public func coordinatorArguments(options: [String]) -> [String] {
        let first = ["--requeue", "--output=\(self.pattern("launch-%j.log"))", "--open-mode=append"]
        let last = ["--nodes=1", "--ntasks=1", "--cpus-per-task=1", "--signal=B:USR1@\(Self.requeueSeconds)"]
        return ["--parsable"] + first + options + last + self.identity(self.coordinatorName)
            + [self.coordinatorScriptFile]
    }

    /// Slurm looks only now and then whether it is time, so this is more than stopping takes.
    private static let requeueSeconds = 60

    private func identity(_ name: String) -> [String] {
        ["--job-name=\(name)", "--chdir=\(self.stateFolder)"]
    }

    /// A log's name with Slurm's own marks; those of the folder's name are none.
    private func pattern(_ name: String) -> String {
        "\(self.scriptsFolder.replacing("%", with: "%%"))/\(name)"
    }

    /// What `squeue` is asked for: all jobs of this sweep, each task of an array on a line of its own.
    ///
    /// - Parameter user: by number.
    public func queueArguments(user: UInt32) -> [String] {
        [
            "--noheader", "--array", "--user=\(user)", "--name=\(self.workersName),\(self.coordinatorName)",
            "--format=%i|%T|%j|%r|%Z",
        ]
    }

    /// Reads what `squeue` answers to ``queueArguments(user:)``.
    ///
    /// - Returns: the jobs of this state folder alone.
    /// - Throws: ``SlurmError`` with a line that is none of its answers.
    public func tasks(in lines: some Sequence<String>) throws(SlurmError) -> [SlurmTask] {
        var tasks: [SlurmTask] = []
        for line in lines where !line.isEmpty {
            // The folder is last: its name may have any character.
            let parts = line.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 5, let id = SlurmTask.ID(parts[0]) else {
                throw SlurmError("squeue answers \"\(line.prefix(200))\", which is no line that it was asked for")
            }
            guard Self.resolved(parts[4]) == self.stateFolder else { continue }
            tasks.append(
                SlurmTask(id: id, isCoordinator: parts[2] == self.coordinatorName, state: parts[1], reason: parts[3])
            )
        }
        return tasks
    }

    /// The path without links, as far as it exists: one folder may have several names, and jobs are known by theirs.
    ///
    /// - Parameter path: absolute.
    static func resolved(_ path: String) -> String {
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return path }
        let (parent, name) = (self.resolved(String(path[..<slash])), path[path.index(after: slash)...])
        return parent == "/" ? "/\(name)" : "\(parent)/\(name)"
    }

    /// Reads the number that `sbatch --parsable` prints, which a cluster's name may follow.
    public static func jobNumber(in lines: [String]) throws(SlurmError) -> Int {
        guard let line = lines.last(where: { !$0.isEmpty }), let number = line.split(separator: ";").first,
            let job = Int(number), job > 0
        else { throw SlurmError("sbatch answers \"\(lines.last?.prefix(200) ?? "")\", which is no job's number") }
        return job
    }
}

/// A job, or one task of a job array, that stands in Slurm's queue.
public struct SlurmTask: Hashable, Sendable {
    /// As Slurm writes it: `12_3` of an array, or `12`.
    public struct ID: Hashable, Sendable, Comparable, CustomStringConvertible {
        public let job: Int
        public let task: Int?

        public init(job: Int, task: Int? = nil) {
            self.job = job
            self.task = task
        }

        init?(_ text: String) {
            let parts = text.split(separator: "_", omittingEmptySubsequences: false)
            guard parts.count <= 2, let job = Int(parts[0]), job > 0 else { return nil }
            let task = parts.count == 2 ? Int(parts[1]) : nil
            guard parts.count == 1 || task.map({ $0 >= 0 }) == true else { return nil }
            self.init(job: job, task: task)
        }

        public var description: String { self.task.map { "\(self.job)_\($0)" } ?? "\(self.job)" }

        public static func < (left: ID, right: ID) -> Bool {
            (left.job, left.task ?? 0) < (right.job, right.task ?? 0)
        }
    }

    public let id: ID
    public let isCoordinator: Bool
    public let state: String
    /// Why it waits, where it does.
    public let reason: String

    /// Whether it trains or will. One that completes may come back: it is not known yet whether it was requeued.
    public var isAlive: Bool {
        // A node could not start it, and Slurm waits for a person.
        !self.reason.lowercased().replacing(" ", with: "_").contains("launch_failed")
    }

    public var isWaiting: Bool { self.state == "PENDING" }
    /// Whether its processes are told to end, or have ended.
    public var isEnding: Bool { self.state == "COMPLETING" }
}

/// What Slurm refused, or said that cannot be understood.
public struct SlurmError: Error, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }

    /// Whether it says nothing of the request, only that Slurm's controller could not be asked.
    public var isPassing: Bool {
        let text = self.description.lowercased()
        return ["unable to contact", "timed out", "no answer", "connection refused"].contains { text.contains($0) }
    }
}
