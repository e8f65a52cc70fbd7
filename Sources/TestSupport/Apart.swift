internal import Dispatch

/// Runs what keeps a processor busy for seconds on a thread of its own, one such at a time: the few threads on which
/// all tests run are for those that wait for one another.
public func apart<Value>(_ body: () async throws -> Value) async rethrows -> Value {
    try await withTaskExecutorPreference(Apart.executor, operation: body)
}

private final class Apart: TaskExecutor {
    static let executor = Apart()

    private let queue = DispatchQueue(label: "apart")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
