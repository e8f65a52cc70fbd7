internal import Coordination
internal import Foundation
internal import NIOCore
internal import Sweeps

// A report's payload is a line of JSON, and for a finished shard a second one: its result, which the coordinator stores
// as it came.

extension WorkerMessage {
    private struct Head: Codable {
        var lease: Lease
        var best: TrainerEvent.Checkpointed?
        var failure: AttemptFailure?
    }

    private static let lineEnd = UInt8(ascii: "\n")

    static func reportFrame(_ lease: Lease, _ outcome: Outcome) throws -> Frame {
        switch outcome {
        case .finished(let result, let best):
            let head = try Frame.json(Head(lease: lease, best: best))
            return try Frame(kind: Kind.report.rawValue, checking: head + [Self.lineEnd] + Frame.json(result))
        case .failed(let failure):
            return try Frame(kind: Kind.report.rawValue, encoding: Head(lease: lease, failure: failure))
        }
    }

    init(report frame: Frame) throws(MessageError) {
        let bytes = frame.payload.readableBytesView
        let end = bytes.firstIndex(of: Self.lineEnd)
        let head: Head = try decode(bytes[..<(end ?? bytes.endIndex)], kind: frame.kind)
        if let end {
            let result: ShardResult = try decode(bytes[(end + 1)...], kind: frame.kind)
            self = .report(head.lease, .finished(result, best: head.best))
        } else if let failure = head.failure {
            self = .report(head.lease, .failed(failure))
        } else {
            throw MessageError("a report without a result and without a failure")
        }
    }

    /// The result in the frame of a finished shard's report, as it came; `nil` for any other message.
    public static func resultText(in frame: Frame) -> String? {
        let bytes = frame.payload.readableBytesView
        guard frame.kind == Kind.report.rawValue, let end = bytes.firstIndex(of: Self.lineEnd) else { return nil }
        return String(decoding: bytes[(end + 1)...], as: UTF8.self)
    }
}
