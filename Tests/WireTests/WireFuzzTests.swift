import Coordination
import Digests
import NIOCore
import Sweeps
import TestSupport
import Testing
import Wire

/// Whatever bytes a peer sends, they end as frames and messages or as an error.
@Suite struct WireFuzzTests {
    private struct Problem: Error { let description: String }

    /// Goal: no byte is lost or made up, whatever comes and however it is cut; nothing is waited for over the limit.
    @Test(.timeLimit(.minutes(60))) func `damaged streams of frames`() async throws {
        let messages = try MessageTests.fromWorker.map { try $0.frame() }
        let streams = try [messages, Array(messages.prefix(1)), []].map { frames in
            var bytes = ByteBuffer()
            for frame in frames { try frame.encode(into: &bytes) }
            return Array(bytes.readableBytesView)
        }
        let report = try await Fuzzing("frames").run(streams) { input, mutator in
            let limit = mutator.number(below: 2) == 0 ? 1024 : Limits.framePayloadBytes
            var decoder = FrameDecoder(payloadBytesLimit: limit)
            var (taken, rest) = (0, input[...])
            do {
                while !rest.isEmpty {
                    let piece = rest.prefix(1 + mutator.number(below: rest.count))
                    rest = rest.dropFirst(piece.count)
                    decoder.append(ByteBuffer(bytes: piece))
                    while let frame = try decoder.next() {
                        guard frame.payload.readableBytes <= limit else { throw Problem(description: "over the limit") }
                        taken += Frame.headerBytes + frame.payload.readableBytes
                    }
                    guard taken + decoder.pendingBytes + rest.count == input.count else {
                        throw Problem(description: "\(taken) bytes taken, \(decoder.pendingBytes) pending")
                    }
                }
                return .accepted
            } catch is FrameError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    /// Goal: a frame is a message that can be written again, or a `MessageError`; and what a worker may say at all,
    /// the coordinator survives.
    @Test(.timeLimit(.minutes(60))) func `damaged messages`() async throws {
        let fromWorker = try MessageTests.fromWorker.map { try $0.frame() }
        let frames = fromWorker + (try MessageTests.fromCoordinator.map { try $0.frame() })
        let valid = frames.map { [$0.kind] + Array($0.payload.readableBytesView) }
        var coordinator = Coordinator(epoch: 3)
        let keys = ["shard", "another"].map { SHA256.hash($0) }
        _ = coordinator.handle(
            .submitted(SweepTerms(name: "fuzz"), keys.map { .init(key: $0) }),
            at: Instant(milliseconds: 0)
        )
        _ = coordinator.handle(.workerJoined("w", Capacity(slots: 2), holding: []), at: Instant(milliseconds: 0))
        let report = try await Fuzzing("messages").run(valid) { input, _ in
            let frame = Frame(kind: input.first ?? 0, payload: Array(input.dropFirst()))
            var verdict = Fuzzing.Verdict.refused
            do {
                let message = try CoordinatorMessage(frame)
                guard try CoordinatorMessage(message.frame()) == message else { throw Problem(description: "changed") }
                verdict = .accepted
            } catch is MessageError {}
            do {
                let message = try WorkerMessage(frame)
                guard try WorkerMessage(message.frame()) == message else { throw Problem(description: "changed") }
                verdict = .accepted
                if let event = Self.event(message) { _ = coordinator.handle(event, at: Instant(milliseconds: 1)) }
            } catch is MessageError {}
            return verdict
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    private static func event(_ message: WorkerMessage) -> Coordinator.Event? {
        switch message {
        case .heartbeat(let holding): .heartbeat("w", holding: holding)
        case .progress(let lease, let progress): .progressed("w", lease, progress)
        case .checkpoint(let lease, let checkpoint): .checkpointed("w", lease, checkpoint)
        case .report(let lease, let outcome): .reported("w", lease, outcome)
        case .handBack(let lease): .handedBack("w", lease)
        case .hello(let hello):
            hello.objection == nil ? .workerJoined("w", hello.capacity, holding: hello.holding) : nil
        case .draining, .offer, .chunk, .fetch: nil
        }
    }
}
