internal import Yams

/// The machines on which a sweep's workers are started through ssh: a YAML file.
///
///     hosts:
///       - node1
///       - {host: me@node2, slots: 2, threads: 8, memory: 64 GiB, labels: [big]}
///     defaults: {slots: 1}
///     options: [-p, 2222]
public struct HostsFile: Hashable, Sendable {
    /// A machine, and what its worker may use.
    public struct Host: Hashable, Sendable {
        /// As `ssh` takes it.
        public var name: String
        /// Shards trained at once.
        public var slots: Int?
        /// Of each shard; by default all cores are shared out.
        public var threads: Int?
        public var memoryBytes: Int?
        public var labels: [String]
        /// Where the program, the cache and the worker's own files lie there; from the home folder where it is relative.
        public var folder: String
    }

    public var hosts: [Host]
    /// Options of `ssh`.
    public var options: [String]

    /// What `quintet fetch` uses, too.
    public static let usualFolder = ".cache/quintet"
    public static let hostLimit = 1000

    /// - Throws: ``SweepFileError`` with line and column.
    public init(yaml: String, file: String) throws(SweepFileError) {
        let reader = SweepFileReader(file: file)
        guard yaml.utf8.count <= SweepDefinition.fileLimitBytes else {
            throw reader.error(nil, "the file has \(yaml.utf8.count) bytes, over \(SweepDefinition.fileLimitBytes)")
        }
        let root = try reader.members(
            try reader.compose(yaml),
            of: "a file of hosts",
            known: ["hosts", "defaults", "options"]
        )
        let usual = try reader.host(
            root["defaults"],
            Host(name: "", labels: [], folder: Self.usualFolder),
            isUsual: true
        )
        let items = try reader.items(try reader.required("hosts", root), "hosts")
        guard items.count <= Self.hostLimit else {
            throw reader.error(root["hosts"], "there are \(items.count) hosts; give at most \(Self.hostLimit)")
        }
        self.hosts = []
        for item in items {
            let host = try reader.host(item, usual, isUsual: false)
            guard !self.hosts.contains(where: { $0.name == host.name }) else {
                throw reader.error(item, "host \(host.name) is given twice; give it more slots")
            }
            self.hosts.append(host)
        }
        self.options =
            try root["options"].map { (node) throws(SweepFileError) in
                try reader.texts(node, "options", of: "an option")
            } ?? []
    }
}

extension SweepFileReader {
    fileprivate func host(
        _ node: Node?,
        _ usual: HostsFile.Host,
        isUsual: Bool
    ) throws(SweepFileError) -> HostsFile.Host {
        var host = usual
        guard let node else { return host }
        guard node.mapping != nil || isUsual else {
            host.name = try self.hostName(node)
            return host
        }
        let keys = ["host", "slots", "threads", "memory", "labels", "folder"].dropFirst(isUsual ? 1 : 0)
        let members = try self.members(node, of: isUsual ? "defaults" : "a host", known: Array(keys))
        if !isUsual { host.name = try self.hostName(try self.required("host", members, in: node)) }
        host.slots = try self.integer(members["slots"], "slots", in: 1...1024) ?? host.slots
        host.threads = try self.integer(members["threads"], "threads", in: 1...1024) ?? host.threads
        if let memory = members["memory"] { host.memoryBytes = try self.bytes(memory, "memory") }
        if let labels = members["labels"] { host.labels = try self.texts(labels, "labels", of: "a label") }
        if let folder = members["folder"] { host.folder = try self.text(folder, "folder") }
        return host
    }

    /// What begins with a dash would be an option of ssh.
    private func hostName(_ node: Node) throws(SweepFileError) -> String {
        let name = try self.text(node, "a host")
        guard !name.hasPrefix("-"), name.utf8.count <= 255, !name.contains(where: \.isWhitespace) else {
            throw self.error(node, "a host is \"\(name.prefix(80))\"; give a name as for ssh, such as me@node7")
        }
        return name
    }

    fileprivate func texts(_ node: Node, _ what: String, of one: String) throws(SweepFileError) -> [String] {
        var texts: [String] = []
        for item in try self.items(node, what) { texts.append(try self.text(item, one)) }
        return texts
    }
}
