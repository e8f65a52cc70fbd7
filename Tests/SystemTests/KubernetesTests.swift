import Foundation
import Testing

/// The manifests of `cluster/kubernetes`, by the scripts beside these tests. They need kubectl and Kubernetes' schemas
/// in the folder that `QUINTET_KUBERNETES` names: `Tests/Kubernetes/validate` says how they come there.
@Suite(
    .serialized,
    .enabled(
        if: ProcessInfo.processInfo.environment["QUINTET_KUBERNETES"] != nil,
        "needs kubectl and Kubernetes' schemas, see Tests/Kubernetes/validate, at QUINTET_KUBERNETES"
    )
)
struct KubernetesTests {
    /// Goal: the manifests are what Kubernetes takes, and what Quintet needs of them holds; damaged ones are refused.
    @Test func `the manifests for Kubernetes are valid, and damaged ones are refused`() async throws {
        let result = try await Self.run("validate", [])
        #expect(result.code == 0, "\(result.output)")
        #expect(result.output.contains("mutants are refused"))
    }

    /// Goal: what the manifests start works where only their volumes can be written.
    /// Method: coordinator and workers as user 10001 on read-only roots, each the first process of its own, with the
    /// manifests' commands, probes and hooks; one worker is taken away in the middle.
    @Test(
        .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"),
        .enabled("namespaces of mounts and processes cannot be made here: that takes root") {
            await KubernetesTests.areNamespacesPossible()
        }
    )
    func `the pods of the manifests finish a sweep on read-only roots`() async throws {
        let result = try await Self.run("pods", [Sandbox.program])
        #expect(result.code == 0, "\(result.output)")
        #expect(result.output.contains("the sweep is finished"))
    }

    private static func run(_ script: String, _ arguments: [String]) async throws -> (code: Int32, output: String) {
        let folder = URL(filePath: #filePath).resolvingSymlinksInPath().appending(path: "../../Kubernetes").standardized
        let command = ["python3", folder.appending(path: script).path] + arguments
        let running = try Running(command, environment: ProcessInfo.processInfo.environment)
        return (await running.wait(), running.output)
    }

    private static func areNamespacesPossible() async -> Bool {
        let command = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        let running = try? Running(command, environment: ProcessInfo.processInfo.environment)
        return await running?.wait() == 0
    }
}
