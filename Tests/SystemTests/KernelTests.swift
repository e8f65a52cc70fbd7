#if arch(x86_64)
    import CoordinatorShell
    import Digests
    import Foundation
    import Sweeps
    import Testing

    @Suite(.serialized, .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"))
    struct KernelTests {
        /// Goal: a grid that chooses its kernels gives one set of bits on machines of several kinds.
        /// Method: `OPENBLAS_CORETYPE` makes this machine another kind, also for the workers and trainers that it starts.
        @Test func `a grid's kernel class gives one set of bits on machines of several kinds`() async throws {
            let sandbox = try Sandbox()
            let plain = try sandbox.writeGrid(epochs: 1, seeds: 1)
            let chosen = "\(sandbox.folder)/chosen.yaml"
            let text = try String(contentsOfFile: plain, encoding: .utf8) + "\nkernelClass: Haswell\n"
            try text.write(toFile: chosen, atomically: true, encoding: .utf8)
            var digests: [[String]] = []
            for machine in ["Haswell", "Zen"] {
                let state = "\(sandbox.folder)/\(machine)"
                let environment = ["OPENBLAS_CORETYPE": machine]
                let launch = try await sandbox.run(["launch", chosen, "--state", state], environment: environment)
                #expect(launch.code == 0, "\(launch.output)")
                let store = try Store(reading: StateFolder(state).database)
                let results = try store.shards(of: try store.sweep(named: "small")).compactMap(\.result)
                #expect(results.count == 2)
                #expect(results.allSatisfy { $0.environment.kernelClass.contains(" Haswell ") })
                digests.append(results.map(\.parametersDigest.description))
            }
            #expect(digests[0] == digests[1])
            // What ran on chosen kernels is no result of a sweep that leaves them open.
            let other = try await sandbox.run(["launch", plain, "--state", "\(sandbox.folder)/Zen"])
            #expect(other.code == 0 && !other.output.contains("have their results already"), "\(other.output)")
        }
    }
#endif
