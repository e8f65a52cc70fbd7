import Coordination
import Digests
import Sweeps
import TestSupport
import Testing
import TransportTestSupport

@testable import WorkerShell

@Suite struct WorkerFolderTests {
    private let folder = TemporaryFolder()

    private func spool(_ counter: UInt64, in worker: WorkerFolder) throws -> Worker.Spooled {
        let key = SHA256.hash("shard \(counter)")
        let lease = Lease(token: LeaseToken(epoch: 1, counter: counter), key: key)
        let outcome = Outcome.finished(exampleResult(key: key), best: nil)
        let attempt = worker.attempt(lease.token)
        try attempt.make()
        try attempt.spool(lease, outcome)
        return Worker.Spooled(lease: lease, outcome: outcome)
    }

    /// Goal: what a worker finished that never comes back is handed over by the next one, once; a worker that lives
    /// keeps its own.
    @Test func `what ended workers left is taken over, and what others hold is not`() throws {
        let (gone, alive, new, another) = (
            WorkerFolder("\(self.folder.path)/slurm-1_1"), WorkerFolder("\(self.folder.path)/slurm-1_2"),
            WorkerFolder("\(self.folder.path)/slurm-2_1"), WorkerFolder("\(self.folder.path)/5eed-0")
        )
        // Of another coordinator's, which alone takes it.
        let others = try self.spool(4, in: another)
        let left = try self.spool(1, in: gone)
        // Without an outcome it died with its worker.
        try gone.attempt(LeaseToken(epoch: 1, counter: 2)).make()
        let lock = try #require(try alive.lock())
        let held = try self.spool(3, in: alive)
        let own = try #require(try new.lock())
        #expect(new.inherit() == 1)
        #expect(new.inherit() == 0)
        #expect(new.recover() == [left])
        #expect(gone.recover().isEmpty)
        #expect(alive.recover() == [held])
        #expect(another.recover() == [others])
        withExtendedLifetime((lock, own)) {}
    }
}
