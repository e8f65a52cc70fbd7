import Coordination
import Digests
import Foundation
import NIOCore
import Sweeps
import TestSupport
import Testing

@testable import Wire

@Suite struct MessageTests {
    private static let key = SHA256.hash("shard")
    private static let lease = Lease(token: LeaseToken(epoch: 3, counter: 17), key: key)
    private static let checkpoint = TrainerEvent.Checkpointed(
        kind: .best,
        step: 7,
        file: "best",
        bytes: 10,
        digest: key,
        rawDigest: key
    )
    private static let failure = AttemptFailure(cause: .experiment, kind: .diverged, message: "loss is NaN \u{1f4a5}")
    private static let chunk = BlobChunk(digest: key, offset: 5, totalBytes: 9, bytes: [1, 2, 3, 4])

    private static var result: ShardResult {
        exampleResult(key: Self.key, accuracy: 0.1 + 0.2)
    }

    static let fromWorker: [WorkerMessage] = [
        .hello(
            Hello(version: "1", host: "h", slots: 2, threads: 1, cores: 4, memoryBytes: 1 << 40, holding: [Self.lease])
        ),
        .hello(
            Hello(
                version: "1",
                host: "h",
                slots: 2,
                threads: 1,
                cores: 4,
                memoryBytes: 1,
                holding: [],
                labels: ["l"],
                kernelClass: "k",
                kernels: ["k"],
                secondsLeft: 1
            )
        ),
        .heartbeat(holding: [Self.lease]), .heartbeat(holding: []),
        .progress(
            Self.lease,
            AttemptProgress(
                firstStep: 1,
                step: 2,
                steps: 3,
                loss: 0.1,
                samplesPerSecond: nil,
                trainableParameters: 4,
                kernelClass: "k"
            )
        ),
        .checkpoint(Self.lease, Self.checkpoint), .report(Self.lease, .finished(Self.result, best: Self.checkpoint)),
        .report(Self.lease, .finished(Self.result, best: nil)), .report(Self.lease, .failed(Self.failure)),
        .handBack(Self.lease), .draining, .offer(BlobOffer(digest: Self.key, bytes: 9, lease: Self.lease)),
        .chunk(Self.chunk), .fetch(BlobRange(digest: Self.key, offset: 1, count: 2)),
    ]

    static let fromCoordinator: [CoordinatorMessage] = [
        .welcome(Welcome(version: "1")), .refused(reason: "no"), .revoke(Self.lease), .handBack([Self.lease]),
        .settled(Self.lease), .checkpointAccepted(Self.lease, Self.key), .blobMissing(Self.lease, Self.key),
        .sendFrom(Self.key, offset: 12), .stored(Self.key), .uploadRefused(Self.key, reason: "full"),
        .chunk(Self.chunk),
        .downloadRefused(Self.key, reason: "gone"), .dismissed, .heartbeat,
    ]

    @Test func `a result's own text can be taken from its report`() throws {
        let frame = try WorkerMessage.report(Self.lease, .finished(Self.result, best: Self.checkpoint)).frame()
        let text = try #require(WorkerMessage.resultText(in: frame))
        #expect(try JSONDecoder().decode(ShardResult.self, from: Data(text.utf8)) == Self.result)
        let failed = try WorkerMessage.report(Self.lease, .failed(Self.failure)).frame()
        #expect(WorkerMessage.resultText(in: failed) == nil)
        #expect(throws: MessageError.self) { try WorkerMessage(Frame(kind: frame.kind, payload: [UInt8]("{}".utf8))) }
    }

    @Test func `every message reads back as it was written`() throws {
        for message in Self.fromWorker { #expect(try WorkerMessage(message.frame()) == message) }
        for message in Self.fromCoordinator { #expect(try CoordinatorMessage(message.frame()) == message) }
        let shard = try Shard(
            backbone: Self.key,
            data: Self.key,
            task: "rte",
            method: "full",
            settings: MethodDescription.named("full").resolve([:]),
            seed: 1
        )
        let grant = CoordinatorMessage.grant(
            Grant(
                lease: Self.lease,
                name: "n",
                shard: try ShardText(shard),
                checkpointSeconds: 1.5,
                last: Self.checkpoint
            )
        )
        #expect(try CoordinatorMessage(grant.frame()) == grant)
    }

    /// Goal: a kind's number never changes and is never used again. Method: all of them, written down.
    @Test func `the numbers of the kinds are what they always were`() {
        #expect(WorkerMessage.Kind.allCases.map(\.rawValue) == Array(1...10))
        #expect(CoordinatorMessage.Kind.allCases.map(\.rawValue) == Array(128...142))
    }

    @Test func `a message of another kind, or that is no message, is an error`() {
        for kind in UInt8.min...UInt8.max {
            for payload in [[], Array("{}".utf8), Array("[1".utf8), [UInt8](repeating: 255, count: 47)] {
                let frame = Frame(kind: kind, payload: payload)
                let isBare = [7, 141, 142].contains(kind)
                if let kind = WorkerMessage.Kind(rawValue: kind), kind != .draining, payload != Array("{}".utf8) {
                    #expect(throws: MessageError.self) { try WorkerMessage(frame) }
                }
                if CoordinatorMessage.Kind(rawValue: kind) != nil, !isBare {
                    #expect(throws: MessageError.self) { try CoordinatorMessage(frame) }
                }
                if WorkerMessage.Kind(rawValue: kind) == nil {
                    #expect(throws: MessageError.self) { try WorkerMessage(frame) }
                }
            }
        }
    }

    @Test func `a chunk that reaches over its blob's end is an error`() throws {
        let frame = try WorkerMessage.chunk(Self.chunk).frame()
        var payload = Array(frame.payload.readableBytesView)
        payload.append(0)
        #expect(throws: MessageError.self) { try WorkerMessage(Frame(kind: frame.kind, payload: payload)) }
    }

    @Test func `a report that is too long for a frame is an error of its sender`() {
        var result = Self.result
        result.evaluations = Array(repeating: result.scored, count: 10_000)
        #expect(throws: FrameError.self) { try WorkerMessage.report(Self.lease, .finished(result, best: nil)).frame() }
    }

    @Test func `a hello from elsewhere is turned away with its reason`() {
        var hello = Hello(version: "9", host: "h", slots: 1, threads: 1, cores: 1, memoryBytes: 1, holding: [])
        #expect(hello.objection == nil)
        for seconds in [Int.min, -1, Int.max] {
            hello.secondsLeft = seconds
            #expect(hello.objection?.contains("\(seconds) s left; it may have 0 to") == true)
        }
        hello.secondsLeft = 0
        #expect(hello.objection == nil)
        hello.protocolVersion = 99
        #expect(hello.objection?.contains("run the same quintet on both") == true)
        hello.magic = "other"
        #expect(hello.objection?.contains("no quintet worker") == true)
    }

    @Test(arguments: ["", "1", "1-", "-1", "1-2-3", "01-2", "1-+2", "a-b"])
    func `what is no lease token is refused`(text: String) { #expect(LeaseToken(text) == nil) }
}
