import Sweeps
import TestSupport
import Testing

@testable import Tasks

/// Goal: a damaged file is refused with a ``TaskFileError``, or it is a file with rows.
@Suite struct TaskFilesFuzzTests {
    private static let tables = [
        "cola": "gj04\t1\t\tBill sings.\ngj04\t0\t*\tBill \"sing.\n",
        "mrpc": "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tOne.\tTwo \u{e9}.\r\n",
        "qqp": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tWho?\tWhom?\t1\n0\t1\t2\n",
        "sts-b": "index\tsentence1\tsentence2\tscore\n0\tA.\tB.\t4.250\n1\tC.\tD.\t0\n",
    ]

    @Test(.timeLimit(.minutes(60))) func `damaged tables`() async throws {
        let report = try await Self.fuzz("tables", Self.tables, .tables)
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    @Test(.timeLimit(.minutes(60))) func `damaged files of objects`() async throws {
        let report = try await Self.fuzz(
            "files of objects",
            ObjectReaderTests.lines.mapValues { "\($0)\n\($0)\n" },
            .objects
        )
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    @Test(.timeLimit(.minutes(60))) func `damaged candidates`() async throws {
        let files = ["copa": CandidateReaderTests.copa, "record": CandidateReaderTests.record]
        let report = try await Self.fuzz("candidates", files, .objects)
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    @Test(.timeLimit(.minutes(60))) func `damaged files of questions`() async throws {
        let files = ["squad": QuestionReaderTests.first, "squad-2": QuestionReaderTests.second]
        let report = try await Self.fuzz("files of questions", files, .questions)
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }

    /// Every task reads every input: what is one task's file is another's nonsense.
    private static func fuzz(_ subject: String, _ files: [String: String], _ form: Form) async throws -> Fuzzing.Report
    {
        let names = files.keys.sorted()
        let tasks = try names.map { try TaskDescription.named($0) }
        let valid = names.map { Array(files[$0, default: ""].utf8) }
        return try await Fuzzing(subject).run(valid) { input, _ in
            var verdict = Fuzzing.Verdict.refused
            for task in tasks {
                for isLabelled in [true, false] {
                    do {
                        let rows = try form.read("file", input, task, isLabelled: isLabelled).rows
                        precondition(!rows.isEmpty && rows.allSatisfy { ($0.label != nil) == isLabelled })
                        let labels = rows.compactMap(\.label)
                        if isLabelled { _ = score(labels, against: labels, groups: rows.map(\.group), for: task) }
                        verdict = .accepted
                    } catch is TaskFileError {
                        continue
                    }
                }
            }
            return verdict
        }
    }
}
