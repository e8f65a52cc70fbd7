import Coordination
import Digests
import NIOCore
import Testing
import Wire

@Suite struct OperatorMessageTests {
    private static let worker = WorkerRecord(
        name: "worker-1",
        keyDigest: SHA256.hash("key"),
        state: .waiting,
        joinedSeconds: 1,
        certificateEndSeconds: nil,
        isConnected: false
    )

    @Test func `requests come back from their frames`() throws {
        let requests: [OperatorRequest] = [
            .hello(OperatorHello(version: "v")), .workers(after: "a"), .approve(worker: "w"), .ban(worker: "w"),
            .submit(grid: "sweep: a", file: "a.yaml"), .change(SweepChange(sweep: "a", standing: .paused, weight: 3)),
            .retry(sweep: "a"), .explain("w"), .obstacles, .snapshot(sweep: "a"), .copyStore,
        ]
        for request in requests { #expect(try OperatorRequest(request.frame()) == request) }
        #expect(Set(try requests.map { try $0.frame().kind }).count == OperatorRequest.Kind.allCases.count)
    }

    @Test func `replies come back from their frames`() throws {
        let replies: [OperatorReply] = [
            .welcome(Welcome(version: "v")), .refused(reason: "r"), .done, .workers([]), .workers([Self.worker]),
            .text(["a", "b"]), .snapshot(Self.snapshot(runningCount: 1)),
        ]
        for reply in replies { #expect(try OperatorReply(reply.frame()) == reply) }
    }

    @Test func `the longest list of workers fits into a frame`() throws {
        var worker = Self.worker
        worker.name = String(repeating: "w", count: 64)
        (worker.joinedSeconds, worker.certificateEndSeconds) = (.max, .max)
        worker.host = String(repeating: "h", count: Hello.nameBytesLimit)
        worker.job = worker.host
        let reply = OperatorReply.workers(Array(repeating: worker, count: OperatorRequest.workersLimit))
        #expect(try reply.frame().payload.readableBytes <= Limits.framePayloadBytes)
        let snapshot = OperatorReply.snapshot(Self.snapshot(runningCount: CoordinatorSnapshot.runningLimit))
        #expect(try snapshot.frame().payload.readableBytes <= Limits.framePayloadBytes)
    }

    private static func snapshot(runningCount: Int) -> CoordinatorSnapshot {
        let progress = AttemptProgress(
            firstStep: .max,
            step: .max,
            steps: .max,
            loss: .pi,
            samplesPerSecond: .pi,
            trainableParameters: .max,
            kernelClass: String(repeating: "k", count: 80)
        )
        let running = RunningShard(
            key: SHA256.hash("key"),
            name: String(repeating: "n", count: 200),
            worker: String(repeating: "w", count: 64),
            progress: progress
        )
        return CoordinatorSnapshot(
            total: 3,
            done: 2,
            failed: 1,
            running: Array(repeating: running, count: runningCount),
            workers: ["w"]
        )
    }

    @Test func `a worker with too long a name for its machine or job is refused`() {
        func hello(host: String, job: String?) -> Hello {
            Hello(version: "v", host: host, slots: 1, threads: 1, cores: 1, memoryBytes: 1, holding: [], job: job)
        }
        let long = String(repeating: "x", count: Hello.nameBytesLimit + 1)
        #expect(hello(host: "h", job: "slurm 1").objection == nil)
        #expect(hello(host: long, job: nil).objection?.contains("machine") == true)
        #expect(hello(host: "h", job: long).objection?.contains("job") == true)
    }

    /// Goal: no frame of an operator's is a worker's, and the other way round.
    @Test func `the kinds of all messages are apart`() {
        let fromClients = WorkerMessage.Kind.allCases.map(\.rawValue) + OperatorRequest.Kind.allCases.map(\.rawValue)
        #expect(Set(fromClients).count == fromClients.count)
        let fromCoordinator =
            CoordinatorMessage.Kind.allCases.map(\.rawValue) + OperatorReply.Kind.allCases.map(\.rawValue)
        #expect(Set(fromCoordinator).count == fromCoordinator.count)
    }
}
