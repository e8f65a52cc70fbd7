/// What a cluster manager calls the job that a process is part of.
public enum ClusterJob {
    /// `slurm 12`, or `slurm 12_3` of an array; `nil` where the process is no job.
    public static func name(environment: [String: String]) -> String? {
        if let array = environment["SLURM_ARRAY_JOB_ID"], let task = environment["SLURM_ARRAY_TASK_ID"] {
            return "slurm \(array)_\(task)"
        }
        return environment["SLURM_JOB_ID"].map { "slurm \($0)" }
    }
}
