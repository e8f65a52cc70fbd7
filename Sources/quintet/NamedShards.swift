import CoordinatorShell
import Digests
import Sweeps

extension Store {
    /// The shards that a person names: by name, such as `rte/lora/3`, of the sweep launched last that has it; by sweep
    /// and name, `first/rte/lora/3`; or by the first digits of the key, four or more.
    ///
    /// - Throws: ``SessionError`` and ``UnknownName`` where one of the names is no shard's, or several'.
    func shards(named names: [String]) throws -> [(StoredSweep, SweepShard)] {
        var matches = names.map { _ in [(sweep: StoredSweep, shard: SweepShard)]() }
        var known: [String] = []
        for sweep in try self.sweeps() where zip(names, matches).contains(where: { isKey($0) || $1.isEmpty }) {
            let shards = try self.shards(of: sweep)
            known += shards.map(\.planned.name)
            for (index, name) in names.enumerated() {
                for shard in shards where shard.isNamed(name, sweep: sweep.name) {
                    let isNew = !matches[index].contains { $0.shard.key == shard.key }
                    if isKey(name) ? isNew : matches[index].isEmpty { matches[index].append((sweep, shard)) }
                }
            }
        }
        return try zip(names, matches).map { name, matches in
            guard let match = matches.first else { throw UnknownName(kind: "shard", name: name, known: known) }
            guard matches.count == 1 else {
                let listed = matches.prefix(8).map { "\($0.shard.key.short) (\($0.shard.planned.name))" }
                let rest = matches.count > listed.count ? ["\(matches.count - listed.count) more"] : []
                throw SessionError(
                    "\(matches.count) shards' keys begin with \(name); give more digits: "
                        + (listed + rest).joined(separator: ", ")
                )
            }
            return match
        }
    }
}

private func isKey(_ name: String) -> Bool { name.count >= 4 && name.allSatisfy(\.isHexDigit) }

extension SweepShard {
    fileprivate func isNamed(_ name: String, sweep: String) -> Bool {
        if isKey(name) { return self.key.description.hasPrefix(name.lowercased()) }
        return name == self.planned.name || name == "\(sweep)/\(self.planned.name)"
    }
}
