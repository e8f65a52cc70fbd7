internal import Coordination
internal import Digests
internal import Files
internal import Foundation
internal import Sweeps
internal import Synchronization
internal import Wire

/// One trainer process: started, listened to, and judged by how it ended.
final class TrainerRun: Sendable {
    private let process: ProcessRun

    /// The longest line of events: a result with thousands of evaluations.
    static let lineBytesLimit = 900 << 10
    /// What is kept of standard error.
    private static let errorLines = 20
    private static let messageCharacters = 2000

    /// Starts the trainer.
    ///
    /// - Parameters:
    ///   - command: the program and what comes before the trainer's own arguments.
    ///   - onEvent: called for every event that is not the end, on the trainer's thread.
    ///   - onEnd: called once, after all events.
    /// - Throws: `StorageError` where the program cannot be started.
    init(
        command: [String],
        arguments: [String],
        environment: [String: String],
        key: ShardKey,
        onEvent: @escaping @Sendable (TrainerEvent) -> Void,
        onEnd: @escaping @Sendable (Worker.TrainerEnd) -> Void
    ) throws {
        let heard = Mutex(Heard())
        let violated = Mutex<(@Sendable () -> Void)?>(nil)
        self.process = try ProcessRun(
            program: command[0],
            arguments: command.dropFirst() + arguments,
            environment: environment,
            lineBytesLimit: Self.lineBytesLimit
        ) { line in
            guard !line.isError else { return heard.withLock { Self.keep(line, &$0) } }
            switch heard.withLock({ Self.hear(line, key, &$0) }) {
            case .event(let event): onEvent(event)
            case .nothing: break
            case .violation: violated.withLock { $0 }?()
            }
        } onExit: { exit in
            onEnd(heard.withLock { Self.judge(exit, $0) })
        }
        let process = self.process
        violated.withLock { $0 = { process.signal(SIGKILL) } }
        process.start()
    }

    func signal(_ signal: Int32) { self.process.signal(signal) }

    private enum Meaning {
        case event(TrainerEvent)
        case nothing
        case violation
    }

    private struct Heard {
        var result: ShardResult?
        var failure: TrainerEvent.Failed?
        /// A line that no trainer may write.
        var violation: String?
        var lastErrors: [String] = []
    }

    private static func hear(_ line: ProcessRun.Line, _ key: ShardKey, _ heard: inout Heard) -> Meaning {
        guard heard.violation == nil, !line.bytes.isEmpty else { return .nothing }
        do {
            guard !line.isCut else { throw BlobError("a line of more than \(Self.lineBytesLimit) bytes") }
            switch try JSONDecoder().decode(TrainerEvent.self, from: Data(line.bytes)) {
            case .finished(let result):
                guard result.key == key else { throw BlobError("a result for shard \(result.key.short)") }
                heard.result = result
            case .failed(let failure): heard.failure = failure
            case .started(let started) where started.key != key:
                throw BlobError("it started shard \(started.key.short)")
            case let event: return .event(event)
            }
            return .nothing
        } catch {
            let shown = String(decoding: line.bytes.prefix(200), as: UTF8.self)
            heard.violation = "\(error) in: \(shown)"
            return .violation
        }
    }

    private static func keep(_ line: ProcessRun.Line, _ heard: inout Heard) {
        heard.lastErrors.append(line.text)
        if heard.lastErrors.count > Self.errorLines { heard.lastErrors.removeFirst() }
    }

    private static func judge(_ exit: ProcessExit, _ heard: Heard) -> Worker.TrainerEnd {
        if let violation = heard.violation {
            return .failed(Self.failure(.experiment, .other, "the trainer broke its contract: \(violation)", heard))
        }
        if exit == .code(TrainerExit.interrupted) { return .interrupted }
        if let result = heard.result, exit == .code(TrainerExit.finished) { return .finished(result) }
        if let failure = heard.failure {
            let isMachines = failure.kind == .diskFull
            return .failed(
                AttemptFailure(
                    cause: isMachines ? .infrastructure : .experiment,
                    kind: failure.kind,
                    message: String(failure.message.prefix(Self.messageCharacters))
                )
            )
        }
        switch exit {
        case .signal(let signal) where [SIGKILL, SIGTERM, SIGINT, SIGHUP].contains(signal):
            // From outside: a person, a batch system, or the kernel that is out of memory.
            let hint = signal == SIGKILL ? "; if nobody did that, the machine may be out of memory" : ""
            return .failed(Self.failure(.infrastructure, .other, "the trainer was ended by \(exit)\(hint)", heard))
        case .signal: return .failed(Self.failure(.experiment, .other, "the trainer crashed with \(exit)", heard))
        case .code:
            return .failed(Self.failure(.experiment, .other, "the trainer ended with \(exit) and no result", heard))
        }
    }

    private static func failure(
        _ cause: AttemptFailure.Cause,
        _ kind: FailureKind,
        _ message: String,
        _ heard: Heard
    ) -> AttemptFailure {
        let last = heard.lastErrors.isEmpty ? "" : "; its last lines:\n" + heard.lastErrors.joined(separator: "\n")
        return AttemptFailure(
            cause: cause,
            kind: kind,
            message: String((message + last).prefix(Self.messageCharacters))
        )
    }
}
