internal import Coordination
internal import Sweeps

/// What leases took, and how much of it was training: both in seconds times the threads of a slot.
public struct CoreTime: Hashable, Sendable {
    /// From grants to releases.
    public var leasedSeconds = 0.0
    /// From the trainers' `started` to their `finished`, for results that were accepted.
    public var trainedSeconds = 0.0

    public init() {}

    public static func += (sum: inout CoreTime, other: CoreTime) {
        sum.leasedSeconds += other.leasedSeconds
        sum.trainedSeconds += other.trainedSeconds
    }
}

/// Follows leases from grant to release.
struct LeaseTimes: Sendable {
    /// A slot's threads, by worker.
    private var threads: [WorkerName: Int] = [:]
    private var live: [LeaseToken: (since: Instant, threads: Int)] = [:]

    mutating func note(_ worker: WorkerName, threads: Int) { self.threads[worker] = threads }

    /// - Returns: what a lease took that ends with this directive; `nil` where none does, or where its beginning was not
    ///   seen.
    mutating func note(_ directive: Coordinator.Directive, at now: Instant) -> CoreTime? {
        switch directive {
        case .grant(let lease, let worker, _), .record(.granted(let lease, let worker)):
            if self.live[lease.token] == nil { self.live[lease.token] = (now, self.threads[worker] ?? 1) }
            return nil
        case .record(.finished(let lease, _, let result, _)):
            return self.end(lease.token, trained: result.elapsedSeconds ?? 0, at: now)
        case .record(.released(let lease)), .revoke(let lease, _), .settle(let lease, _):
            return self.end(lease.token, trained: 0, at: now)
        default: return nil
        }
    }

    private mutating func end(_ token: LeaseToken, trained: Double, at now: Instant) -> CoreTime? {
        guard let (since, threads) = self.live.removeValue(forKey: token) else { return nil }
        let seconds = Double(now.milliseconds - since.milliseconds) / 1000
        var time = CoreTime()
        time.leasedSeconds = seconds * Double(threads)
        // A worker may say anything; and a lease that was adopted began with an earlier one.
        time.trainedSeconds = max(0, min(trained, seconds)) * Double(threads)
        return time
    }
}
