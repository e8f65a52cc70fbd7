import ArgumentParser
import Testing

@testable import quintet

@Suite struct SlurmSessionTests {
    /// Goal: the coordinator's job asks for the stored sweep whatever stands where on the command line, also where an
    /// option's value, or an option for `sbatch`, reads as the grid or the name does.
    @Test(arguments: [
        (
            ["g.yaml", "--on", "slurm", "--detach", "--", "--time=1"],
            "g.yaml" as String?, ["s", "--on", "slurm", "--", "--time=1"]
        ),
        (["--state", "g", "--on", "slurm", "g"], "g", ["--state", "g", "--on", "slurm", "s"]),
        (["--on", "slurm", "s", "--state", "s"], "s", ["--on", "slurm", "s", "--state", "s"]),
        (["--on", "slurm", "g.yaml", "--", "g.yaml"], "g.yaml", ["--on", "slurm", "s", "--", "g.yaml"]),
        (["--on", "slurm", "--state", "s", "--failed"], nil, ["s", "--on", "slurm", "--state", "s", "--failed"]),
        (["--on", "slurm", "s", "--", "s"], nil, ["--on", "slurm", "s", "--", "s"]),
        (["--on", "slurm", "--", "s"], nil, ["s", "--on", "slurm", "--", "s"]),
    ])
    func `a coordinator's job goes on with the stored sweep`(given: [String], grid: String?, words: [String]) {
        #expect(SlurmSession.jobArguments(given, grid: grid, sweep: "s") == ["resume", "--as-job"] + words)
    }

    @Test func `labels are for workers here or on Slurm, and hosts have their own`() throws {
        let words = ["g.yaml", "--label", "big", "--label", "quick"]
        #expect(try Launch.parse(words).session.labels == ["big", "quick"])
        #expect(try Launch.parse(words + ["--on", "slurm"]).session.labels == ["big", "quick"])
        let error = #expect(throws: (any Error).self) { try Launch.parse(words + ["--on", "hosts.yaml"]) }
        #expect(error.map { Launch.message(for: $0) }?.contains("--label big") == true)
    }
}
