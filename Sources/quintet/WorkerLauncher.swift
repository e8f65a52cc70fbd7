import CoordinatorShell
import Transport

/// What starts a session's workers, on this machine or elsewhere, and ends them.
protocol WorkerLauncher: Sendable {
    /// - Parameter onAllGone: called when the last one has ended and none is started again.
    func start(onAllGone: @escaping @Sendable () async -> Void) throws

    /// Waits a little for workers that leave, and ends what is left of them.
    func stop(_ stopping: WorkerStopping) async
}

/// How workers come to leave.
enum WorkerStopping: Sendable {
    /// The coordinator has told them.
    case dismissed
    /// They are told now.
    case asked
    case atOnce
    /// They train on while the coordinator is away, which starts again elsewhere.
    case left
}

/// What a launcher knows of its session.
struct LaunchContext: Sendable {
    let state: StateFolder
    let options: SessionOptions
    /// The sweep's name.
    let sweep: String
    /// By which workers elsewhere join.
    let joinFile: JoinFile
    /// Takes lines for people.
    let say: @Sendable (String) -> Void
    /// How many shards are neither done nor given up, and how many of them nobody runs; none while the sweep is paused;
    /// `nil` once the coordinator has stopped.
    let shardsLeft: @Sendable () async -> (left: Int, waiting: Int)?
}
