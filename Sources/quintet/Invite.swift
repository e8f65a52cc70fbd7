import ArgumentParser
import CoordinatorShell
import Files
import Transport

/// `quintet invite`
struct Invite: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a certificate authority and a join file before any coordinator runs, for a cluster's secret."
    )

    @Option(help: ArgumentHelp("What the coordinator will be reached by.", valueName: "host:port"))
    var advertise: String

    @Option(
        help: ArgumentHelp(
            "Where the join line is written; a coordinator given the same file lets in whoever has it.",
            valueName: "file"
        )
    )
    var joinFile: String

    @OptionGroup var state: StateOptions

    func validate() throws {
        let port = try SessionOptions.address(self.advertise, option: "--advertise").port
        guard port > 0 else { throw ValidationError("--advertise is \(self.advertise); give a port of 1 to 65535.") }
    }

    func run() throws {
        let address = try SessionOptions.address(self.advertise, option: "--advertise")
        try DurableFile.makeFolder(self.state.folder.authority)
        let authority = try CertificateAuthority(folder: self.state.folder.authority)
        try JoinFile(self.joinFile).write(
            JoinLine(
                host: address.host,
                port: address.port,
                token: JoinToken(),
                authorityKeyDigest: authority.publicKeyDigest
            )
        )
        print("\(self.joinFile) lets workers join at \(self.advertise)")
        print("the authority is in \(self.state.folder.authority)")
    }
}
