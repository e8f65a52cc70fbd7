import Testing

@testable import Files

/// What a process may use of its machine, from the texts that the kernel and Slurm give.
@Suite struct MachineResourcesTests {
    private static let mounts = """
        23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:12 master:3 - cgroup cgroup rw,memory
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
        """

    private func resources(
        _ files: [String: String] = [:],
        environment: [String: String] = [:],
        affinityCores: Int = 16
    ) -> MachineResources {
        MachineResources(
            cores: 16,
            affinityCores: affinityCores,
            memoryBytes: 64 << 30,
            controlGroups: ControlGroups { files[$0] },
            environment: environment
        )
    }

    @Test func `without limits it is the whole machine`() {
        let all = self.resources()
        #expect(all == self.resources(["/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": Self.mounts]))
        #expect((all.cores, all.coresBound) == (16, .machine))
        #expect((all.memoryBytes, all.memoryBound) == (64 << 30, .machine))
    }

    /// Goal: of all groups above the process the tightest counts, whichever that is.
    @Test func `control groups of version 2 bound cores and memory at every level`() {
        var files = [
            "/proc/self/cgroup": "0::/jobs/a\n",
            "/proc/self/mountinfo": "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/jobs/cpu.max": "450000 100000\n",
            "/sys/fs/cgroup/jobs/memory.max": "max\n",
            "/sys/fs/cgroup/jobs/a/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/jobs/a/memory.max": "2147483648\n",
        ]
        var some = self.resources(files)
        #expect((some.cores, some.coresBound) == (4, .controlGroup))
        #expect((some.memoryBytes, some.memoryBound) == (2 << 30, .controlGroup))
        files["/sys/fs/cgroup/jobs/memory.max"] = "1073741824\n"
        files["/sys/fs/cgroup/jobs/a/cpu.max"] = "50000 100000\n"
        some = self.resources(files)
        #expect(some.cores == 1 && some.memoryBytes == 1 << 30, "half a core is one thread's")
    }

    @Test func `control groups of version 1 bound cores and memory`() {
        let some = self.resources([
            "/proc/self/cgroup": "5:memory:/job\n4:name=systemd:/\n2:cpu,cpuacct:/job\n0::/\n",
            "/proc/self/mountinfo": Self.mounts,
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "8589934592\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "399999\n",
            "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        ])
        #expect((some.cores, some.coresBound) == (3, .controlGroup))
        #expect((some.memoryBytes, some.memoryBound) == (8 << 30, .controlGroup))
    }

    /// Goal: a container finds its own limits, whether it sees its own part of the tree, another's, or all of it.
    @Test(arguments: [
        ("/", "0::/", "/sys/fs/cgroup"),
        ("/pod/box", "0::/pod/box", "/sys/fs/cgroup"),
        ("/pod", "0::/pod/box", "/sys/fs/cgroup/box"),
        ("/other", "0::/pod/box", "/sys/fs/cgroup"),
        ("/", "0::/../up", "/sys/fs/cgroup"),
    ])
    func `the groups of a container are found`(root: String, group: String, folder: String) {
        let some = self.resources([
            "/proc/self/cgroup": group,
            "/proc/self/mountinfo": "41 31 0:38 \(root) /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw",
            "\(folder)/memory.max": "1048576",
        ])
        #expect(some.memoryBytes == 1 << 20)
    }

    @Test func `Slurm bounds by the task, else by the node`() {
        let node = ["SLURM_CPUS_ON_NODE": "8", "SLURM_MEM_PER_NODE": "4096"]
        var some = self.resources(environment: node)
        #expect((some.cores, some.coresBound) == (8, .slurm))
        #expect((some.memoryBytes, some.memoryBound) == (4 << 30, .slurm))
        some = self.resources(environment: node.merging(["SLURM_CPUS_PER_TASK": "2"]) { $1 })
        #expect(some.cores == 2)
        some = self.resources(environment: ["SLURM_CPUS_PER_TASK": "4", "SLURM_MEM_PER_CPU": "1024"])
        #expect(some.memoryBytes == 4 << 30)
        // 0 is all of the node; what is no number is nothing.
        some = self.resources(environment: ["SLURM_MEM_PER_NODE": "0", "SLURM_CPUS_ON_NODE": "8(x2)"])
        #expect(some == self.resources())
    }

    @Test func `an affinity bounds the cores`() {
        let some = self.resources(environment: ["SLURM_CPUS_ON_NODE": "8"], affinityCores: 3)
        #expect((some.cores, some.coresBound) == (3, .affinity))
        func cores(_ list: String) -> Int? {
            MachineResources.affinityCores("Name:\tq\nCpus_allowed:\t3\nCpus_allowed_list:\t\(list)\nThreads:\t1\n")
        }
        #expect(cores("0-1") == 2 && cores("5") == 1 && cores("0-3,8,10-11") == 7)
        for list in ["", "a", "3-1", "-1", "0-99999999999"] { #expect(cores(list) == nil) }
        #expect(MachineResources.affinityCores("Name:\tq\n") == nil)
    }

    @Test func `texts that are none bound nothing`() {
        let some = self.resources([
            "/proc/self/cgroup": "no colons\n0::\n:::\n9:memory\n",
            "/proc/self/mountinfo": "-\na b - c\n41 31 0:38 / /sys/fs/cgroup rw - cgroup2\n- - - - - - - -\n",
            "/sys/fs/cgroup/cpu.max": "100000 0\n",
            "/sys/fs/cgroup/memory.max": "-1\n",
        ])
        #expect(some == self.resources())
        for text in ["", "max", "1", "1 2 3", "-5 100000", "x 100000"] { #expect(ControlGroups.cores(text) == nil) }
    }

    @Test func `this machine has cores and memory`() {
        let all = MachineResources.current
        #expect(all.cores >= 1 && all.memoryBytes > 1 << 20)
    }
}
