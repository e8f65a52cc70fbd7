import ArgumentParser
import CoordinatorShell
import Digests
import Transport

/// `quintet rotate`
struct Rotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replace the certificate authority, for when others may have read its key; no coordinator may run.",
        discussion: """
            Workers that have joined before get certificates of the new authority when they renew theirs. One that \
            does not come within the window joins again. Machines join by a new line.
            """
    )

    @Option(help: "For how many days workers that know only the old authority are served; 0 refuses them at once.")
    var windowDays = 30

    @OptionGroup var state: StateOptions

    func validate() throws {
        guard (0...365).contains(self.windowDays) else {
            throw ValidationError("--window-days is \(self.windowDays); give 0 to 365.")
        }
    }

    func run() async throws {
        // Reading first: a folder without a store is not given one.
        _ = try Store(reading: self.state.folder.database)
        let lock = try self.state.folder.lock()
        defer { withExtendedLifetime(lock) {} }
        let authority = try CertificateAuthority.rotate(
            folder: self.state.folder.authority,
            windowSeconds: Int64(self.windowDays) * 86_400
        )
        print("the authority's key is now \(authority.publicKeyDigest.short)")
    }
}
