import ArgumentParser
import CoordinatorShell
import Wire

/// `quintet verify`
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that every result and checkpoint is there and is what it was; no coordinator may run."
    )

    @Flag(help: "Mend what can be mended: what is damaged is forgotten and runs again.")
    var repair = false

    @OptionGroup var state: StateOptions

    func run() throws {
        try self.state.folder.requireStore()
        let lock = try self.state.folder.lock()
        defer { withExtendedLifetime(lock) {} }
        let audit = StateAudit(
            store: try Store(repairing: self.state.folder.database),
            blobs: try BlobStore(folder: self.state.folder.blobs)
        )
        let findings = try audit.findings()
        for finding in findings {
            guard self.repair, let remedy = finding.remedy else {
                print(finding)
                continue
            }
            try audit.repair(finding)
            print("\(finding); mended: \(remedy)")
        }
        let left = self.repair ? findings.filter { $0.remedy == nil } : findings
        guard left.isEmpty else {
            let advice =
                self.repair ? "restore a copy of the state folder" : "quintet verify --repair mends what it can"
            throw SessionError("\(left.count) of these things are wrong in \(self.state.folder.path); \(advice)")
        }
        print("\(self.state.folder.path) is \(findings.isEmpty ? "as it should be" : "mended")")
    }
}
