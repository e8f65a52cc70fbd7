import ArgumentParser
import Coordination
import CoordinatorShell
import Wire

/// `quintet pause`
struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a sweep no more shards, and have what runs handed back after a checkpoint."
    )

    @Argument(help: "The sweep.")
    var sweep: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        try await self.state.coordinator()
            .change(SweepChange(sweep: self.sweep, standing: .paused))
        print("sweep \(self.sweep) is paused; quintet unpause \(self.sweep) lets it go on")
    }
}

/// `quintet unpause`
struct Unpause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let a sweep go on that was paused or cancelled; retry what was given up."
    )

    @Argument(help: "The sweep.")
    var sweep: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        let access = try await self.state.coordinator()
        try await access.change(SweepChange(sweep: self.sweep, standing: .active))
        print("sweep \(self.sweep) goes on")
        for line in try await access.retry(sweep: self.sweep) { print(line) }
    }
}

/// `quintet cancel`
struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stop a sweep at once, with its jobs; its results stay, and what another sweep wants goes on."
    )

    @Argument(help: "The sweep.")
    var sweep: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        try await self.state.coordinator()
            .change(SweepChange(sweep: self.sweep, standing: .cancelled))
        print("sweep \(self.sweep) is cancelled")
        guard let slurm = SlurmSession(of: self.sweep, in: self.state.folder) else { return }
        let jobs = try await slurm.cancel()
        if jobs > 0 { print("jobs of Slurm that end with it: \(jobs)") }
    }
}

/// `quintet weigh`
struct Weigh: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say how a sweep shares the workers with others: by weight, and before all of a lower priority."
    )

    @Argument(help: "The sweep.")
    var sweep: String

    @Option(help: "Its share among sweeps of one priority.")
    var weight: Int?

    @Option(help: "A higher one goes first; 0 unless given.")
    var priority: Int?

    @OptionGroup var state: StateOptions

    func validate() throws {
        if self.weight == nil, self.priority == nil { throw ValidationError("give --weight, --priority or both.") }
    }

    func run() async throws {
        try await self.state.coordinator()
            .change(SweepChange(sweep: self.sweep, priority: self.priority, weight: self.weight))
    }
}
