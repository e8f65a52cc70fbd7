internal import Foundation
internal import Logging
internal import Synchronization
internal import Transport

/// What a worker proves itself with, renewed in time: at half of its certificate's life, a little later on each machine
/// so that they do not all come at once. The connection that is open goes on; the next one shows the new certificate.
final class IdentityKeeper: Sendable {
    private let state: Mutex<Identity>
    private let folder: String
    private let logger: Logger
    /// Between 0 and 1: where in the tenth of a life after its half it asks.
    private let jitter: Double
    private let now: @Sendable () -> Int64
    private let sleep: @Sendable (_ seconds: Int64) async throws -> Void
    private let renew: @Sendable (Identity) async throws -> Identity

    /// How long after a try that failed the next one comes. Also the longest sleep at once: machines are suspended and
    /// clocks are set.
    private static let retrySeconds: Int64 = 600

    /// - Parameter renew: asks the coordinator.
    init(
        _ identity: Identity,
        folder: String,
        logger: Logger,
        jitter: Double = Double.random(in: 0..<1),
        now: @escaping @Sendable () -> Int64 = currentSeconds,
        sleep: @escaping @Sendable (_ seconds: Int64) async throws -> Void = {
            try await Task.sleep(for: .seconds($0))
        },
        renew: @escaping @Sendable (Identity) async throws -> Identity
    ) {
        self.state = Mutex(identity)
        self.folder = folder
        self.logger = logger
        self.jitter = jitter
        self.now = now
        self.sleep = sleep
        self.renew = renew
    }

    convenience init(_ identity: Identity, options: WorkerOptions, logger: Logger) {
        self.init(identity, folder: options.folder.path, logger: logger) {
            let line = try options.join.line()
            return try await Enrolment.renew($0, host: line.host, port: line.port)
        }
    }

    var identity: Identity { self.state.withLock { $0 } }

    /// When the identity is to be renewed, in seconds since 1970.
    var dueSeconds: Int64 {
        let certificate = self.identity.certificate
        let life = certificate.validSeconds.upperBound - certificate.validSeconds.lowerBound
        return certificate.renewalSeconds + Int64(self.jitter * Double(life) / 10)
    }

    /// The identity to connect with, renewed first where the certificate has expired.
    ///
    /// - Throws: `EnrolmentError` where the coordinator does not renew it, `ConnectionError` where nobody answers.
    func current() async throws -> Identity {
        if !self.identity.certificate.validSeconds.contains(self.now()) { try await self.renewNow() }
        return self.identity
    }

    /// Renews it when it is due, over and over, until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let wait = self.dueSeconds - self.now()
            do {
                if wait > 0 {
                    try await self.sleep(min(wait, Self.retrySeconds))
                } else {
                    try await self.renewNow()
                }
            } catch is CancellationError {
                return
            } catch {
                self.logger.notice("the certificate is not renewed: \(error)")
                do { try await self.sleep(Self.retrySeconds) } catch { return }
            }
        }
    }

    private func renewNow() async throws {
        let renewed = try await self.renew(self.identity)
        try renewed.save(folder: self.folder)
        self.state.withLock { $0 = renewed }
        self.logger.info("the certificate of \(renewed.name) is renewed")
    }
}
