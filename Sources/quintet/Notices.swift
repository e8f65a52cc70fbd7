import Coordination
import CoordinatorShell
import Reports
import Sweeps
import Wire

extension ProgressDisplay {
    /// Tells what happened at a coordinator, where that is news to a person. Its own machine's workers coming and
    /// going is none.
    func tell(_ notice: CoordinatorNotice) {
        switch notice {
        case .workerJoined(let worker, let hello) where !LocalWorkers.isLocal(worker):
            let job = hello.job.map { ", \($0)," } ?? ""
            self.write("\(worker) joined from \(hello.host)\(job) with \(hello.slots) × \(hello.threads) threads")
        case .workerLost(let worker) where !LocalWorkers.isLocal(worker): self.write("\(worker) is gone")
        case .started(let name, let worker, let step):
            self.report(.started(name: name, worker: worker, step: step))
        case .finished(let name, let worker, let result):
            let metric = (try? TaskDescription.named(result.task))?.primary ?? .accuracy
            self.report(
                .finished(
                    name: name,
                    worker: worker,
                    metric: metric.rawValue,
                    score: result.scored.metrics[metric],
                    seconds: result.runtimeSeconds
                )
            )
        case .failed(let name, let failure, let verdict):
            let message =
                if case .quarantined(let reason) = verdict { "quarantined: \(reason)" } else { failure.message }
            self.report(.failed(name: name, worker: "", message: message, isFinal: verdict != .retry))
        case .suspended(let worker, let seconds, let reason):
            self.write("\(worker) gets no shards for \(seconds) s: \(reason)")
        case .outOfRoom(let reason, false): self.write("no room for more shards; \(reason)")
        case .outOfRoom(let reason, true): self.write("nothing goes on until there is room; \(reason)")
        case .stalled(let reason): self.write("no worker can go on; \(reason)")
        case .ranTwice(let name, let workers, let difference):
            let places = workers.joined(separator: " and ")
            let outcome = difference.map { "gave different results on \(places): \($0)" }
            self.write("\(name) \(outcome ?? "gave the same bits on \(places)")")
        case .workerJoined, .workerLost, .sweepEnded, .sweepCancelled, .ended, .drained, .broken, .released: break
        }
    }
}
