import Files
import Foundation
import Testing

@testable import quintet

@Suite struct DoctorTests {
    @Test func `a finding is a line, with what to do where it is wrong`() {
        #expect(Finding("memory", "8 GiB", advice: "more").description == "ok       memory        8 GiB")
        #expect(
            Finding("state locks", "two had the same lock", .bad, advice: "another disk").description
                == "BAD      state locks   two had the same lock; another disk"
        )
    }

    @Test func `little memory is a warning, and what bounds it is told`() {
        var resources = MachineResources.current
        (resources.memoryBytes, resources.memoryBound) = (512 << 20, .controlGroup)
        (resources.cores, resources.coresBound) = (2, .slurm)
        let findings = MachineChecks.resources(resources)
        #expect(findings.map(\.state) == [.ok, .warning])
        #expect(findings.map(\.text) == ["2, bounded by Slurm", "512 MiB, bounded by the control group"])
    }

    @Test func `the file system of a path is that of the lowest mount above it`() {
        let mounts = """
            23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
            24 23 0:28 / /data rw - tmpfs tmpfs rw
            25 23 0:29 / /data rw shared:1 - nfs4 server:/x rw
            26 23 0:30 / /data/with\\040blank rw - xfs /dev/vdb rw
            nonsense
            """
        func type(_ path: String) -> String? { FolderChecks.fileSystem(of: path, mounts: mounts) }
        #expect(type("/home/a") == "ext4" && type("/database") == "ext4")
        #expect(type("/data") == "nfs4" && type("/data/a") == "nfs4")
        #expect(type("/data/with blank/a") == "xfs")
        #expect(FolderChecks.fileSystem(of: "/a", mounts: "") == nil)
        #expect(FolderChecks.isOfNetwork("nfs4") && !FolderChecks.isOfNetwork("ext4"))
    }

    /// Goal: a folder that is not there yet can be looked at, and is not made; nothing is left behind.
    @Test func `a folder is looked at from above while it is not there`() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "doctor-\(UUID().uuidString)").path
        try DurableFile.makeFolder(root)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let findings = FolderChecks.all("\(root)/a/b", of: .state)
        #expect(findings.map(\.name) == ["", " fsync", " locks", " names", " clock", " store"].map { "state\($0)" })
        #expect(findings.allSatisfy { $0.state != .bad }, "\(findings)")
        #expect(findings[0].text.hasPrefix("\(root)/a/b on "))
        #expect(try FileManager.default.contentsOfDirectory(atPath: root).isEmpty)
    }

    @Test func `a folder that cannot be is said to be wrong`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "doctor-\(UUID().uuidString)").path
        try DurableFile.write([1], to: file)
        defer { unlink(file) }
        let findings = FolderChecks.all("\(file)/a", of: .cache)
        #expect(findings.map(\.state) == [.bad])
        #expect(findings[0].text.contains(file))
    }
}
