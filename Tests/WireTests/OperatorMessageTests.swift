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
            .retry(sweep: "a"), .explain("w"), .obstacles,
        ]
        for request in requests { #expect(try OperatorRequest(request.frame()) == request) }
        #expect(Set(try requests.map { try $0.frame().kind }).count == OperatorRequest.Kind.allCases.count)
    }

    @Test func `replies come back from their frames`() throws {
        let replies: [OperatorReply] = [
            .welcome(Welcome(version: "v")), .refused(reason: "r"), .done, .workers([]), .workers([Self.worker]),
            .text(["a", "b"]),
        ]
        for reply in replies { #expect(try OperatorReply(reply.frame()) == reply) }
    }

    @Test func `the longest list of workers fits into a frame`() throws {
        var worker = Self.worker
        worker.name = String(repeating: "w", count: 64)
        (worker.joinedSeconds, worker.certificateEndSeconds) = (.max, .max)
        let reply = OperatorReply.workers(Array(repeating: worker, count: OperatorRequest.workersLimit))
        #expect(try reply.frame().payload.readableBytes <= Limits.framePayloadBytes)
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
