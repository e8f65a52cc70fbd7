public import ArgumentParser
import CoordinatorShell
import Files
import Foundation
public import Reports
import Sweeps

/// `quintet show`
struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what finished shards came to, side by side: training, and the scores on each split."
    )

    @Argument(
        help: """
            The shards: their names, such as rte/lora/3 or first/rte/lora/3 of sweep first, or the first digits of \
            their keys.
            """
    )
    var shards: [String]

    @Option(help: "How they are written.")
    var format = RunFormat.terminal

    @Flag(help: "Draw instead the ranks that they kept, by block and matrix; of several the mean.")
    var ranks = false

    @Option(help: ArgumentHelp("Write that picture as SVG.", valueName: "file"))
    var svg: String?

    @OptionGroup var state: StateOptions

    func validate() throws {
        guard self.format == .json, self.ranks || self.svg != nil else { return }
        throw ValidationError("--format json holds the ranks already; leave out --ranks and --svg, or --format json.")
    }

    func run() async throws {
        let store = try await self.state.readableStore()
        let report = try RunReport(of: self.shards, in: store)
        let output = Terminal.standardOutput
        if self.ranks || self.svg != nil {
            let map = try RankMap(report.runs)
            if self.ranks { output.write(map.terminal(styled: output.isStyled)) }
            if let svg {
                try DurableFile.write(Array(map.svg.utf8), to: svg)
                print(svg)
            }
            return
        }
        output.write(report.rendered(as: self.format, columns: output.isInteractive ? output.size.columns : .max))
    }
}

extension RunFormat: ExpressibleByArgument {}

extension RunReport {
    /// What the store knows of the shards of these names.
    ///
    /// - Throws: ``SessionError`` where one of them has no result yet.
    init(of names: [String], in store: Store) throws {
        let runs = try store.shards(named: names).map { sweep, shard in
            guard let result = shard.result else {
                throw SessionError("\(shard.planned.name) has no result: \(Status.state(of: shard))")
            }
            let backbone = try sweep.grid().backbone
            return Run(sweep: sweep.name, backbone: backbone, name: shard.planned.name, result: result)
        }
        self.init(runs)
    }
}
