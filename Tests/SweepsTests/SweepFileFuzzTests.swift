import Sweeps
import TestSupport
import Testing

@Suite struct SweepFileFuzzTests {
    private static let grids = [
        """
        sweep: quickstart
        backbone: all-minilm-l6-v2
        tasks: [movie-reviews, rte]
        methods:
          - full
          - lora: {rank: 8, alpha: 16, label: "r8"}
          - bitfit
        seeds: 2                       # 0…4, or a list
        defaults: {epochs: 1, batchSize: 32, learningRate: 1e-3, warmupRatio: 0.06}
        overrides:
          - match: {method: full}
            set: {learningRate: 1e-4}
        """,
        "sweep: s\nbackbone: &b tiny\ntasks: rte\nmethods: [lora: {rank: 4}, full]\nseeds: [7, 4294967295]\n",
        "sweep: s\nbackbone: b\ntasks: rte\nmethods: full\npriority: -3\nweight: 2\nkernelClass: Zen\n"
            + "needs: {labels: [a, b], memory: 1.5 GiB}\n",
        "sweep: s\nbackbone: b\ntasks: [rte, sts-b]\nmethods: [sora: {preset: sora-repo, alpha: 8, source: issue SoRA#4}]\n"
            + "defaults: {epochs: 2, source: ours}\noverrides: [{match: {task: rte}, set: {schedule: none}, source: repo}]\n",
        "{sweep: s, backbone: ./b, tasks: [cola], methods: [? full : {epochs: 2}], seeds: 1}",
        "a: &a [x, x]\nb: &b [*a, *a]\n? [*b, *b]\n: c\n<<: *b\n--- |\n  text\n",
    ]

    /// Goal: a damaged grid is refused with a ``SweepFileError``, or it is a grid whose shards can be planned.
    @Test(.timeLimit(.minutes(60))) func `damaged grids`() async throws {
        let valid = Self.grids.map { Array($0.utf8) }
        let report = try await Fuzzing("grids").run(valid) { input, _ in
            do {
                _ = try SweepDefinition(yaml: String(decoding: input, as: UTF8.self), file: "grid.yaml").shards()
                return .accepted
            } catch is SweepFileError {
                return .refused
            }
        }
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
