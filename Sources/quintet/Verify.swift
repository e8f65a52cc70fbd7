import ArgumentParser
import CoordinatorShell

/// `quintet verify`
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that every result and checkpoint is there and is what it was; no coordinator may run."
    )

    @Flag(help: "Mend what can be mended: what is damaged is forgotten and runs again.")
    var repair = false

    @OptionGroup var state: StateOptions

    func run() throws {
        let (audit, lock) = try self.state.audit(damaged: true, mendsLog: self.repair)
        defer { withExtendedLifetime(lock) {} }
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
