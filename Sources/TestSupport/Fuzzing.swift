#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Gives a reader damaged encodings: it may refuse each or take it, but neither crash, nor take long, nor much memory.
///
/// A crash prints the input as hexadecimal digits before the process ends.
public struct Fuzzing: Sendable {
    /// What came of it.
    public struct Report: Sendable, CustomStringConvertible {
        public var subject: String
        public var accepted = 0
        public var refused = 0
        public var slowestMilliseconds = 0.0
        /// By how much the most memory that was ever resident has grown; other tests of the process count too.
        public var growthBytes = 0

        public var description: String {
            "\(self.subject): \(self.accepted + self.refused) inputs, \(self.accepted) accepted, \(self.refused) refused, "
                + "slowest \(self.slowestMilliseconds.rounded()) ms, memory +\(self.growthBytes >> 20) MiB"
        }
    }

    /// An input that was not dealt with as it should be.
    public struct Finding: Error, CustomStringConvertible {
        public let description: String
    }

    /// What one reading came to.
    public enum Verdict: Sendable {
        case accepted
        case refused
    }

    private let subject: String
    private let inputs: Int
    private let seed: UInt64

    private static let inputSecondsLimit = 5.0
    private static let growthBytesLimit = 1 << 30

    /// - Parameters:
    ///   - subject: for messages.
    ///   - inputs: how many, where the environment's `QUINTET_FUZZ_INPUTS` does not say.
    public init(_ subject: String, inputs: Int = 10_000, seed: UInt64 = 1) {
        self.subject = subject
        self.seed = seed
        self.inputs = getenv("QUINTET_FUZZ_INPUTS").flatMap { Int(String(cString: $0)) } ?? inputs
    }

    /// Reads damaged copies of valid encodings.
    ///
    /// - Parameter read: throws for what must not happen: a refusal that is no proper error, wrong data.
    /// - Throws: ``Finding`` with the input that was dealt with wrongly.
    @discardableResult
    public func run(
        _ valid: [[UInt8]],
        read: (_ input: [UInt8], _ mutator: inout Mutator) throws -> Verdict
    ) async throws -> Report {
        try await apart { try self.readAll(valid, read) }
    }

    private func readAll(
        _ valid: [[UInt8]],
        _ read: (_ input: [UInt8], _ mutator: inout Mutator) throws -> Verdict
    ) throws -> Report {
        var mutator = Mutator(seed: self.seed)
        var report = Report(subject: self.subject)
        let before = Self.peakBytes
        for index in 0..<self.inputs {
            let input = mutator.mutant(of: valid)
            let start = Self.threadSeconds
            do {
                switch try CrashReport.reading(input, { try read(input, &mutator) }) {
                case .accepted: report.accepted += 1
                case .refused: report.refused += 1
                }
            } catch {
                throw self.finding("\(error)", index, input)
            }
            let seconds = Self.threadSeconds - start
            report.slowestMilliseconds = max(report.slowestMilliseconds, seconds * 1000)
            if seconds > Self.inputSecondsLimit { throw self.finding("it took \(seconds) s", index, input) }
            if index % 256 == 0 || index == self.inputs - 1 {
                report.growthBytes = Self.peakBytes - before
                guard report.growthBytes <= Self.growthBytesLimit else {
                    throw self.finding("memory has grown by \(report.growthBytes) bytes", index, input)
                }
            }
        }
        return report
    }

    private func finding(_ problem: String, _ index: Int, _ input: [UInt8]) -> Finding {
        Finding(
            description: "\(self.subject), input \(index) of seed \(self.seed): \(problem)\n\(hexadecimal(input))"
        )
    }

    /// Of the processor, for this thread: other tests do not count.
    private static var threadSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static var peakBytes: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
