import ArgumentParser

/// Speed, beside a bound or another implementation; a figure here is never a test.
@main
struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measures Quintet's speed; give a release build a quiet machine.",
        subcommands: [
            TrainingBenchmark.self, ProductsBenchmark.self, KernelsBenchmark.self, TokenizerBenchmark.self,
            LoadBenchmark.self, LoadCoordinator.self,
        ]
    )
}
