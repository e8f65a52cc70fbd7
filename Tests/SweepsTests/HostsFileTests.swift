import Foundation
import Sweeps
import Testing

@Suite struct HostsFileTests {
    @Test func `a host has what the file says of it, else of all`() throws {
        let file = try HostsFile(
            yaml: """
                hosts:
                  - node1
                  - {host: me@node2, slots: 4, threads: 8, memory: 64 GiB, labels: [big, fast], folder: /scratch/q}
                defaults: {slots: 2, labels: [lab]}
                options: [-p, 2222]
                """,
            file: "hosts.yaml"
        )
        #expect(file.options == ["-p", "2222"])
        #expect(file.hosts.map(\.name) == ["node1", "me@node2"])
        #expect(file.hosts.map(\.slots) == [2, 4])
        #expect(file.hosts.map(\.threads) == [nil, 8])
        #expect(file.hosts.map(\.memoryBytes) == [nil, 64 << 30])
        #expect(file.hosts.map(\.labels) == [["lab"], ["big", "fast"]])
        #expect(file.hosts.map(\.folder) == [HostsFile.usualFolder, "/scratch/q"])
    }

    private static let mistakes = [
        ("options: [-p]", "h.yaml: hosts is missing; add \"hosts: …\""),
        ("hosts: []", "h.yaml:1:8: hosts is an empty list; give at least one"),
        ("hosts: [a, a]", "h.yaml:1:12: host a is given twice; give it more slots"),
        ("hosts: [{slot: 2}]", "h.yaml:1:10: unknown key of a host \"slot\"; did you mean \"slots\"?"),
        ("hosts: [{slots: 2}]", "h.yaml:1:9: host is missing; add \"host: …\""),
        (
            "hosts: [{host: a, slots: 0}]",
            "h.yaml:1:26: slots is \"0\"; give a whole number from 1 to 1024"
        ),
        // It would be an option of ssh, which may run any command.
        (
            "hosts: [\"-oProxyCommand=x\"]",
            "h.yaml:1:9: a host is \"-oProxyCommand=x\"; give a name as for ssh, such as me@node7"
        ),
    ]

    @Test(arguments: 0..<mistakes.count)
    func `a mistake in a file of hosts is told with its place`(index: Int) {
        let (yaml, message) = Self.mistakes[index]
        let error = #expect(throws: SweepFileError.self) { try HostsFile(yaml: yaml, file: "h.yaml") }
        #expect(error.map { "\($0)" } == message)
    }

    @Test func `the file that a person begins with is one`() throws {
        let path = packageRoot.appending(path: "cluster/hosts/hosts.yaml")
        let file = try HostsFile(yaml: String(contentsOf: path, encoding: .utf8), file: "hosts.yaml")
        #expect(file.hosts.map(\.name) == ["node1", "me@node2", "node3"])
    }
}
