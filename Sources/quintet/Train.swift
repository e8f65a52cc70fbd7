import ArgumentParser
import CProcessor
import Digests
import Encoders
import Files
import Foundation
import Sweeps
import Synchronization
import Tasks
import Tensors
import Tokenizers
import Training
import Wire

/// `quintet train`: what a worker starts for each shard, and a person by hand.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train one shard in this process; prints one JSON object an event."
    )

    @Option(help: "The shard as a worker writes it, instead of the options that describe one.")
    var shard: String?

    @Option(help: "The folder of the backbone's files.")
    var backbone: String?

    @Option(help: "The folder of the task's files, or the one that holds it.")
    var data: String?

    @Option(help: "The task, such as rte.")
    var task: String?

    @Option(help: "The method, such as lora.")
    var method: String?

    @Option(help: "The seed of the head, the order of the examples and dropout.")
    var seed: Int?

    @Option(help: "Threads; by default as many as there are cores.")
    var threads: Int?

    @Option(help: "A paper's hyperparameters for the method and task, such as adalora-repo; --set replaces them.")
    var preset: String?

    @Option(name: .customLong("set"), help: ArgumentHelp("A hyperparameter.", valueName: "key=value"))
    var settings: [String] = []

    @Option(help: "A folder to start from: of another run, with an adapter in PEFT's files, or with a whole model.")
    var initial: String?

    @Option(help: "A checkpoint to go on from.")
    var resume: String?

    @Option(
        help: ArgumentHelp(
            "Write the first step's gradients, before clipping, as safetensors under the names of transformers.",
            valueName: "file"
        )
    )
    var logGradients: String?

    @Option(
        help: ArgumentHelp(
            "Write after each step a JSON line with the ranks that each layer keeps, by the layer's name.",
            valueName: "file"
        )
    )
    var logRanks: String?

    @Option(
        help: ArgumentHelp(
            "Write a JSON line with the tokens and logits of each example that the scored parameters are scored on.",
            valueName: "file"
        )
    )
    var logLogits: String?

    @Option(help: "The folder for checkpoints and the scored parameters.")
    var into: String

    @Flag(help: "End at once when standard input ends: set by workers, which hold the other end.")
    var lifeline = false

    func validate() throws {
        let described: [(String, Bool)] = [
            ("--backbone", self.backbone != nil), ("--data", self.data != nil), ("--task", self.task != nil),
            ("--method", self.method != nil), ("--seed", self.seed != nil),
        ]
        if self.shard == nil, let missing = described.first(where: { !$0.1 }) {
            throw ValidationError("\(missing.0) is missing; give it, or --shard FILE.")
        }
        if self.shard != nil, let surplus = (described + [("--preset", self.preset != nil)]).first(where: \.1) {
            throw ValidationError("\(surplus.0) and --shard are both given; keep one.")
        }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); give 1 to 1024.")
        }
        if let seed, seed < 0 { throw ValidationError("--seed is \(seed); give 0 or more.") }
    }

    func run() throws {
        if self.lifeline { Lifeline.watch() }
        StopSignal.install()
        let output = EventOutput()
        do {
            let order = try self.order()
            guard BLAS.useOneThread() else {
                throw TrainingFailure(
                    kind: .badInput,
                    "OpenBLAS does not keep to one thread; set OPENBLAS_NUM_THREADS=1"
                )
            }
            if let kernels = order.shard.kernelClass, BLAS.kernels != kernels {
                throw TrainingFailure(
                    kind: .other,
                    "OpenBLAS runs its \(BLAS.kernels) kernels and the shard's are \(kernels); set "
                        + "OPENBLAS_CORETYPE=\(kernels), on a processor that has what they need"
                )
            }
            let environment = Environment(
                processor: String(cString: processor_name()),
                kernelClass: BLAS.kernelClass,
                threads: order.threads,
                operatingSystem: ProcessInfo.processInfo.operatingSystemVersionString,
                version: Quintet.version,
                host: ProcessInfo.processInfo.hostName,
                job: ClusterJob.name(environment: ProcessInfo.processInfo.environment)
            )
            let run = try TrainingRun(
                order,
                folder: self.into,
                initial: self.initial,
                logs: try TrainingLogs(
                    gradientsFile: self.logGradients,
                    ranksFile: self.logRanks,
                    logitsFile: self.logLogits
                ),
                environment: environment,
                emit: output.write,
                isStopping: { StopSignal.isRaised }
            )
            if case .interrupted = try run.run() { throw ExitCode(TrainerExit.interrupted) }
        } catch let error as ExitCode {
            throw error
        } catch {
            try output.write(.failed(.init(kind: Self.kind(of: error), message: "\(error)")))
            throw error
        }
    }

    private func order() throws -> TrainerOrder {
        if let shard = self.shard {
            let file = try Data(contentsOf: URL(filePath: shard))
            var order = try JSONDecoder().decode(TrainerOrder.self, from: file)
            if let threads { order.threads = threads }
            if let resume { order.resume = resume }
            return order
        }
        let method = try MethodDescription.named(self.method ?? "")
        let task = try TaskDescription.named(self.task ?? "")
        let given = try self.given(method)
        let preset = try self.preset.map { try Preset.named($0) }
        let settings = try method.resolve(
            try preset?.settings(method: method.name, task: task.name, replacedBy: given) ?? given
        )
        let (backbone, data) = (self.backbone ?? "", try TaskFiles(task: task, folder: self.data ?? "").folder)
        return TrainerOrder(
            shard: try Shard(
                backbone: try FolderManifest(folder: backbone).digest,
                data: try FolderManifest(folder: data).digest,
                task: task.name,
                method: method.name,
                settings: settings,
                seed: self.seed ?? 0
            ),
            backboneFolder: backbone,
            dataFolder: data,
            threads: self.threads ?? MachineResources.current.cores,
            checkpointSeconds: ResolvedSettings(settings).number("checkpointSeconds"),
            resume: self.resume
        )
    }

    private func given(_ method: MethodDescription) throws -> Settings {
        var given: Settings = [:]
        for text in self.settings {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ValidationError("--set \(text) is not key=value.") }
            guard given.updateValue(try method.setting(parts[0]).read(parts[1]), forKey: parts[0]) == nil else {
                throw ValidationError("--set \(parts[0]) is given twice; keep one.")
            }
        }
        return given
    }

    /// What another try could make better: nothing where the input is wrong.
    private static func kind(of error: any Error) -> FailureKind {
        switch error {
        case let failure as TrainingFailure: failure.kind
        case let failure as StorageError: [ENOSPC, EDQUOT, EFBIG].contains(failure.code) ? .diskFull : .other
        case is BackboneError, is TaskFileError, is TokenizerError, is InvalidSettings, is InvalidSetting,
            is UnknownName,
            is CheckpointError, is FolderManifestError, is PresetError, is ValidationError:
            .badInput
        default: .other
        }
    }
}

/// JSON Lines on standard output, each written at once.
private struct EventOutput {
    private let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    func write(_ event: TrainerEvent) throws {
        try FileHandle.standardOutput.write(contentsOf: try self.encoder.encode(event) + Data("\n".utf8))
    }
}

/// Whether SIGTERM or SIGINT has come: training then stops after the step at hand, with a checkpoint.
enum StopSignal {
    private static let raised = Atomic<Bool>(false)

    static var isRaised: Bool { Self.raised.load(ordering: .relaxed) }

    static func install() {
        for number in [SIGTERM, SIGINT] { signal(number) { _ in StopSignal.raised.store(true, ordering: .relaxed) } }
    }
}
