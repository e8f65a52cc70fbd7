import Reports
import Testing

@Suite struct ProgressTests {
    private let snapshot = ProgressSnapshot(
        sweep: "quickstart",
        total: 15,
        done: 7,
        failed: 1,
        doneBefore: 0,
        elapsedSeconds: 112.4,
        running: [
            .init(
                name: "movie-reviews/lora/2",
                worker: "local-1",
                step: 31,
                steps: 47,
                batchSize: 32,
                loss: 0.61234,
                samplesPerSecond: 42.25
            ),
            .init(name: "movie-reviews/bitfit/10", worker: "elsewhere", batchSize: 32),
        ]
    )

    @Test func `a bar for the sweep and a line for each running shard`() {
        let expected = """
            quickstart  ━━━━━━━━━━━━━━━━━━━━━━━─────────────────  7/15  2 running  1 failed  1:52 elapsed  about 1:22 left
              movie-reviews/lora/2     local-1    step 31/47  loss 0.6123  42.2 samples/s  0:12 left
              movie-reviews/bitfit/10  elsewhere    starting
            """
        #expect(self.snapshot.lines(columns: 120, rows: 40, styled: false).joined(separator: "\n") == expected)
    }

    @Test func `narrow terminals lose the least needed first`() {
        let expected = """
            quickstart  ━━━━━━━──────  7/15  1 failed  about 1:22 left
              movie-reviews/lora/2     step 31/47  0:12 left
            """
        let lines = self.snapshot.lines(columns: 58, rows: 40, styled: false)
        #expect(lines.prefix(2).joined(separator: "\n") == expected)
    }

    /// Goal: nothing wraps and nothing scrolls, however small the terminal.
    @Test func `no line is wider than the terminal and there are no more lines than rows`() {
        for columns in 1...130 {
            for rows in 1...6 {
                let lines = self.snapshot.lines(columns: columns, rows: rows, styled: false)
                #expect(lines.allSatisfy { $0.count <= columns }, "\(columns) columns: \(lines)")
                #expect((1...rows).contains(lines.count), "\(rows) rows: \(lines)")
            }
        }
    }

    @Test func `what does not fit below each other is counted`() {
        var snapshot = self.snapshot
        snapshot.running = (0..<12).map { .init(name: "rte/full/\($0)", worker: "w", batchSize: 1) }
        let lines = snapshot.lines(columns: 80, rows: 6, styled: false)
        #expect(lines.count == 6)
        #expect(lines.last == "  … and 8 more")
    }

    @Test func `colours change no width`() {
        let styled = self.snapshot.lines(columns: 90, rows: 9, styled: true)
        let bare = styled.map { $0.replacing(/\u{1b}\[[0-9]+m/, with: "") }
        #expect(bare == self.snapshot.lines(columns: 90, rows: 9, styled: false))
        #expect(styled != bare)
    }

    @Test func `one plain line tells the same`() {
        #expect(self.snapshot.line == "quickstart: 7/15 done, 2 running, 1 failed, 1:52 elapsed, about 1:22 left")
    }

    /// Goal: work of earlier sessions says nothing of this one's speed.
    @Test func `the estimate counts this session's work only`() {
        var snapshot = ProgressSnapshot(
            sweep: "s",
            total: 10,
            done: 6,
            failed: 0,
            doneBefore: 4,
            elapsedSeconds: 60,
            running: []
        )
        #expect(snapshot.line == "s: 6/10 done, 0 running, 1:00 elapsed, about 2:00 left")
        snapshot.doneBefore = 6
        #expect(snapshot.line == "s: 6/10 done, 0 running, 1:00 elapsed")
    }

    @Test func `only a sweep that is over has a full bar`() {
        var snapshot = self.snapshot
        (snapshot.total, snapshot.done, snapshot.failed, snapshot.running) = (100_000, 99_999, 0, [])
        #expect(snapshot.lines(columns: 100, rows: 2, styled: false)[0].contains("━─"))
        snapshot.done = 100_000
        #expect(!snapshot.lines(columns: 100, rows: 2, styled: false)[0].contains("─"))
    }

    @Test func `events are one line each`() {
        let started = ProgressEvent.started(name: "rte/lora/0", worker: "a", step: 12)
        #expect(started.line == "started rte/lora/0 on a from step 12")
        let finished = ProgressEvent.finished(
            name: "rte/lora/0",
            worker: "a",
            metric: "accuracy",
            score: 0.78314,
            seconds: 3725
        )
        #expect(finished.line == "finished rte/lora/0 on a: accuracy 78.31, 1:02:05")
        let failed = ProgressEvent.failed(
            name: "rte/lora/0",
            worker: "a",
            message: "killed by signal 9\n\u{1b}[31mno",
            isFinal: false
        )
        let unknown = ProgressEvent.failed(name: "rte/lora/0", worker: "", message: "no", isFinal: true)
        #expect(unknown.line == "failed rte/lora/0: no")
        #expect(failed.line == "will retry rte/lora/0 on a: killed by signal 9 [31mno")
    }
}
