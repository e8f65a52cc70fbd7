#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The cores and the memory that this process may use: those of the machine, less what an affinity, a control group
/// or Slurm leaves of them.
public struct MachineResources: Hashable, Sendable {
    /// What bounds a resource.
    public enum Bound: String, Hashable, Sendable {
        case machine = "the machine"
        case affinity = "the affinity"
        case controlGroup = "the control group"
        case slurm = "Slurm"
    }

    /// At least 1.
    public var cores: Int
    public var coresBound: Bound
    public var memoryBytes: Int
    public var memoryBound: Bound

    /// What holds now. Reads small files of /proc and /sys; what cannot be read bounds nothing.
    public static var current: MachineResources {
        let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        return MachineResources(
            cores: cores,
            affinityCores: Self.systemFile("/proc/self/status").flatMap(Self.affinityCores),
            memoryBytes: max(1, sysconf(Int32(_SC_PHYS_PAGES))) * max(1, sysconf(Int32(_SC_PAGESIZE))),
            controlGroups: ControlGroups(read: Self.systemFile),
            environment: ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"]
                .reduce(into: [:]) { values, name in values[name] = getenv(name).map { String(cString: $0) } }
        )
    }

    /// - Parameters:
    ///   - cores: of the machine.
    ///   - affinityCores: those that the process may run on.
    ///   - memoryBytes: of the machine.
    ///   - environment: Slurm's variables (sbatch(1), "output environment variables"; memory is in MiB, and 0 is all).
    init(
        cores: Int,
        affinityCores: Int?,
        memoryBytes: Int,
        controlGroups: ControlGroups,
        environment: [String: String]
    ) {
        func slurm(_ name: String) -> Int? { environment[name].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } }
        let slurmCores = slurm("SLURM_CPUS_PER_TASK") ?? slurm("SLURM_CPUS_ON_NODE")
        let slurmMebibytes =
            slurm("SLURM_MEM_PER_NODE") ?? slurm("SLURM_MEM_PER_CPU").map { Self.product($0, slurmCores ?? 1) }
        (self.cores, self.coresBound) = Self.least(
            (max(1, cores), .machine),
            [(affinityCores, .affinity), (controlGroups.cores, .controlGroup), (slurmCores, .slurm)]
        )
        (self.memoryBytes, self.memoryBound) = Self.least(
            (memoryBytes, .machine),
            [(controlGroups.memoryBytes, .controlGroup), (slurmMebibytes.map { Self.product($0, 1 << 20) }, .slurm)]
        )
    }

    /// The smallest, and of equal ones the first.
    private static func least(_ first: (Int, Bound), _ others: [(Int?, Bound)]) -> (Int, Bound) {
        others.reduce(first) { least, other in
            guard let value = other.0, value > 0, value < least.0 else { return least }
            return (value, other.1)
        }
    }

    private static func product(_ a: Int, _ b: Int) -> Int {
        let (product, isTooMuch) = a.multipliedReportingOverflow(by: b)
        return isTooMuch ? .max : product
    }

    /// Of /proc/PID/status, whose line `Cpus_allowed_list` has numbers and ranges: `0-3,8`. It may name cores that the
    /// machine has not.
    static func affinityCores(_ status: String) -> Int? {
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") }) else {
            return nil
        }
        var count = 0
        for part in line.split(separator: ":")[1].split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last, last < 1 << 20 else {
                return nil
            }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }

    /// A mount table has a line of a few hundred bytes for each mount.
    private static let fileBytesLimit = 4 << 20

    private static func systemFile(_ path: String) -> String? {
        guard let bytes = try? DurableFile.read(path, bytesLimit: Self.fileBytesLimit) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The limits of the control groups that a process is in, from its own up to the highest that it sees.
struct ControlGroups: Hashable, Sendable {
    /// Whole cores of the processor time that may be used, at least 1.
    private(set) var cores: Int?
    private(set) var memoryBytes: Int?

    /// - Parameter read: a file's content, or nil where it cannot be had.
    init(read: (_ path: String) -> String?) {
        guard let groups = read("/proc/self/cgroup"), let mounts = read("/proc/self/mountinfo") else { return }
        for group in Self.groups(groups) {
            for folder in Self.folders(of: group, mounts: mounts) {
                let (quota, memory): (Int?, Int?) =
                    switch group.controller {
                    case "":
                        (
                            read("\(folder)/cpu.max").flatMap(Self.cores),
                            read("\(folder)/memory.max").flatMap(Self.bytes)
                        )
                    case "memory": (nil, read("\(folder)/memory.limit_in_bytes").flatMap(Self.bytes))
                    default:
                        (
                            read("\(folder)/cpu.cfs_quota_us").flatMap { quota in
                                read("\(folder)/cpu.cfs_period_us").flatMap { Self.cores("\(quota) \($0)") }
                            }, nil
                        )
                    }
                self.cores = [self.cores, quota].compactMap(\.self).min()
                self.memoryBytes = [self.memoryBytes, memory].compactMap(\.self).min()
            }
        }
    }

    /// A group that a process is in, and the controller of version 1 that it is of; version 2 has one for all: "".
    struct Group: Hashable {
        var controller: String
        var path: String
    }

    /// Lines of /proc/PID/cgroup, `NUMBER:CONTROLLERS:PATH`, as far as they bound cores or memory (cgroups(7)).
    static func groups(_ text: String) -> [Group] {
        text.split(separator: "\n").flatMap { line -> [Group] in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return [] }
            return parts[1].split(separator: ",", omittingEmptySubsequences: false)
                .filter { ["", "cpu", "memory"].contains($0) }
                .map { Group(controller: String($0), path: String(parts[2])) }
        }
    }

    /// Where a group and those above it lie, from /proc/PID/mountinfo: after `-` come the file system's type, its
    /// source and its options; the fourth field is the group that is mounted, the fifth the folder (proc(5)).
    static func folders(of group: Group, mounts: String) -> [String] {
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { continue }
            let isIts =
                group.controller.isEmpty
                ? fields[dash + 1] == "cgroup2"
                : fields[dash + 1] == "cgroup"
                    && fields[dash + 3].split(separator: ",").contains { $0 == group.controller }
            guard isIts else { continue }
            let (root, mount) = (fields[3] == "/" ? "" : fields[3], String(fields[4]))
            // A container may see another part of the tree than its path says: then what is mounted is its own.
            let isBelow = group.path.hasPrefix("\(root)/")
            let names = isBelow ? group.path.dropFirst(root.count).split(separator: "/") : []
            guard !names.contains("..") else { return [mount] }
            return (0...names.count).map { ([mount] + names.prefix($0).map(String.init)).joined(separator: "/") }
        }
        return []
    }

    /// Of `QUOTA PERIOD` in microseconds: whole cores, at least one; nil where the quota is `max` or negative.
    static func cores(_ text: String) -> Int? {
        let words = text.split(whereSeparator: \.isWhitespace).map { Int($0) }
        guard words.count == 2, let quota = words[0], let period = words[1], quota > 0, period > 0 else { return nil }
        return max(1, quota / period)
    }

    /// Of a number of bytes; nil where it is `max`. Version 1 writes a number larger than any machine's memory then.
    static func bytes(_ text: String) -> Int? { Int(text.filter { !$0.isWhitespace }) }
}
