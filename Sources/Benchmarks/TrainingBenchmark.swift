import ArgumentParser
import Foundation

/// Training beside PyTorch, HF transformers and PEFT: MiniLM, LoRA of rank 8 on all six linear layers, RTE, batch 32.
///
/// Whole processes of 30 and of 90 steps are timed from outside, both sides in turn; the difference is what 60 steps
/// take, without start-up, reading and the one evaluation. PyTorch runs twice: on shuffled batches, its Trainer's default
/// and what Quintet trains on, and on batches of examples of like length, which pad less. Every round has its own seed,
/// since the sides draw other batches: over a few seeds their tokens are alike. Peak memory is the system's figure for the
/// longer process.
struct TrainingBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "training",
        abstract: "Training samples per second and memory beside PyTorch + PEFT."
    )

    @Option(help: "The folder of the backbone's files.")
    var backbone: String

    @Option(help: "The folder that holds RTE/train.tsv.")
    var data: String

    @Option(help: "A Python with torch, transformers, peft and tokenizers; without it only Quintet is measured.")
    var python: String?

    @Option(help: "The quintet program; by default the one beside this one.")
    var quintet: String?

    @Option(help: "Threads on both sides.")
    var threads = 2

    @Option(help: "How often each side is run with either number of steps.")
    var rounds = 5

    private static let steps = (few: 30, many: 90)
    private static let batch = 32

    func validate() throws {
        if self.rounds < 1 { throw ValidationError("--rounds is \(self.rounds); give at least 1.") }
        if self.threads < 1 { throw ValidationError("--threads is \(self.threads); give at least 1.") }
    }

    func run() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/quintet-benchmark-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var sides = [Side(name: "quintet") { self.quintetCommand(into: folder, steps: $0, seed: $1) }]
        if let python {
            for order in ["shuffled", "grouped"] {
                sides.append(
                    Side(name: "PyTorch + PEFT, \(order)") {
                        self.pythonCommand(python, order: order, steps: $0, seed: $1)
                    }
                )
            }
        }
        for round in 1...self.rounds {
            for index in sides.indices {
                let few = try Process.measure(sides[index].command(Self.steps.few, round - 1))
                let many = try Process.measure(sides[index].command(Self.steps.many, round - 1))
                let samples = Double((Self.steps.many - Self.steps.few) * Self.batch)
                sides[index].samplesPerSecond.append(samples / (many.seconds - few.seconds))
                sides[index].peakBytes.append(Double(many.peakBytes))
                print("round \(round): \(sides[index].lastRound)")
                // A round takes minutes: its line is to be seen at once, in a file too.
                fflush(nil)
            }
        }
        print("\nmedians of \(self.rounds) rounds, \(self.threads) threads")
        for side in sides { print(side.summary) }
        for side in sides.dropFirst() {
            let speed = median(sides[0].samplesPerSecond) / median(side.samplesPerSecond)
            let memory = median(sides[0].peakBytes) / median(side.peakBytes)
            print("quintet / \(side.name): speed\(aligned(speed, digits: 2)), memory\(aligned(memory, digits: 2))")
        }
    }

    private struct Side {
        let name: String
        let command: (_ steps: Int, _ seed: Int) -> [String]
        var samplesPerSecond: [Double] = []
        var peakBytes: [Double] = []

        init(name: String, command: @escaping (_ steps: Int, _ seed: Int) -> [String]) {
            self.name = name
            self.command = command
        }

        var lastRound: String { self.line(self.samplesPerSecond.suffix(1), self.peakBytes.suffix(1)) }
        var summary: String { self.line(self.samplesPerSecond[...], self.peakBytes[...]) }

        private func line(_ speeds: ArraySlice<Double>, _ bytes: ArraySlice<Double>) -> String {
            self.name.padded(25) + aligned(median(Array(speeds))) + " samples/s"
                + aligned(median(Array(bytes)) / 1048576, digits: 0) + " MiB peak"
        }
    }

    private func quintetCommand(into folder: String, steps: Int, seed: Int) -> [String] {
        let beside = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "quintet").path
        return [
            self.quintet ?? beside, "train", "--backbone", self.backbone, "--data", self.data, "--task", "rte",
            "--method", "lora", "--seed", String(seed), "--threads", String(self.threads),
            "--set", "maximumSteps=\(steps)", "--set", "learningRate=5e-4", "--set", "batchSize=\(Self.batch)",
            "--set", "maximumLength=128", "--set", "evaluationExamples=1", "--into", folder,
        ]
    }

    private func pythonCommand(_ python: String, order: String, steps: Int, seed: Int) -> [String] {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "reference/minilm_lora.py")
            .path
        return [
            python, script, "--backbone", self.backbone, "--data", self.data, "--task", "RTE", "--steps", String(steps),
            "--batch", String(Self.batch), "--max-length", "128", "--threads", String(self.threads), "--seed",
            String(seed), "--order", order,
        ]
    }
}

extension Process {
    /// Runs a program to its end: wall seconds, and the most memory that it had resident.
    fileprivate static func measure(_ command: [String]) throws -> (seconds: Double, peakBytes: Int) {
        var pid = pid_t()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        let arguments = command.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        let start = DispatchTime.now().uptimeNanoseconds
        let code = posix_spawnp(&pid, command[0], &actions, nil, arguments, environ)
        guard code == 0 else {
            throw ValidationError("\(command[0]) cannot be started: \(String(cString: strerror(code)))")
        }
        var (status, usage): (Int32, rusage) = (0, rusage())
        while wait4(pid, &status, 0, &usage) < 0 && errno == EINTR {}
        guard status == 0 else {
            throw ValidationError("\(command[0]) failed; run it by hand: \(command.joined(separator: " "))")
        }
        return (Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9, usage.ru_maxrss * 1024)
    }
}
