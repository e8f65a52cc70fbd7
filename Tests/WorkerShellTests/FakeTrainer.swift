import Digests
import Foundation
import Sweeps
import TestSupport
import Wire

/// A folder that is gone after the test, with a trainer in it that keeps the contract and trains nothing: a shell
/// script whose steps take a few hundredths of a second, and whose result says from which step it went on.
final class TrainerFolder: Sendable {
    let path: String
    let shards: [Shard]
    let grid: String
    let manifest: FolderManifest

    /// The folder that stands for backbone and data.
    var inputs: String { "\(self.path)/inputs" }
    var trainer: [String] { ["/bin/sh", "\(self.path)/trainer.sh"] }
    var cache: String { "\(self.path)/cache" }

    init(seeds: Int, steps: Int = 10) throws {
        self.path = FileManager.default.temporaryDirectory.appending(path: "worker-\(UUID().uuidString)").path
        let inputs = "\(self.path)/inputs/sub"
        try FileManager.default.createDirectory(atPath: inputs, withIntermediateDirectories: true)
        try Data("weights".utf8).write(to: URL(filePath: "\(self.path)/inputs/weights"))
        try Data(repeating: 7, count: 700_000).write(to: URL(filePath: "\(inputs)/large"))
        let manifest = try FolderManifest(folder: "\(self.path)/inputs")
        self.manifest = manifest
        self.grid = "sweep: test\nbackbone: tiny\ntasks: [rte]\nmethods: [full]\nseeds: \(seeds)\n"
        self.shards = try SweepDefinition(yaml: self.grid, file: "test").shards().map { planned in
            try planned.shard(backbone: manifest.digest, data: manifest.digest)
        }
        let encoder = JSONEncoder()
        for shard in self.shards {
            let started = TrainerEvent.Started(
                key: shard.key,
                step: 0,
                steps: steps,
                trainableParameters: 1,
                kernelClass: "k"
            )
            try encoder.encode(TrainerEvent.started(started)).write(to: self.file("started-\(shard.seed)"))
            try encoder.encode(TrainerEvent.finished(Self.result(shard))).write(to: self.file("finished-\(shard.seed)"))
        }
        try Self.script(steps: steps).write(to: self.file("trainer.sh"), atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    private func file(_ name: String) -> URL { URL(filePath: "\(self.path)/\(name)") }

    /// Tells the trainers of a seed what to do: `die`, `crash`, `babble`, `hang`; nothing: train.
    func order(_ behaviour: String?, seed: Int) throws {
        let file = self.file("behaviour-\(seed)")
        try? FileManager.default.removeItem(at: file)
        if let behaviour { try behaviour.write(to: file, atomically: true, encoding: .utf8) }
    }

    /// The first step of each run, in order, as the trainers wrote it down: `seed step`.
    var runs: [String] {
        ((try? String(contentsOf: self.file("runs"), encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }

    static func result(_ shard: Shard) -> ShardResult {
        exampleResult(
            key: shard.key,
            task: shard.task,
            method: shard.method,
            seed: shard.seed,
            accuracy: Double(shard.seed) / 7
        )
    }

    private static func script(steps: Int) -> String {
        """
        home=$(dirname "$0")
        while [ $# -gt 0 ]; do
            case $1 in --shard) shard=$2 ;; --into) into=$2 ;; esac
            shift
        done
        seed=$(sed -n 's/.*"seed" : \\([0-9]*\\).*/\\1/p' "$shard")
        resume=$(sed -n 's/.*"resume" : "\\(.*\\)",*$/\\1/p' "$shard")
        step=0
        if [ -n "$resume" ]; then step=$(cut -d' ' -f1 "$resume"); fi
        echo "$seed $step" >> "$home/runs"
        checkpoint() {
            echo "$2 $seed" > "$into/$1.new"
            mv "$into/$1.new" "$into/$1"
            digest=$(sha256sum "$into/$1" | cut -d' ' -f1)
            bytes=$(wc -c < "$into/$1")
            echo '{"event":"checkpointed","kind":"'$1'","step":'$2',"file":"'$1'","bytes":'$bytes',"digest":"'$digest'","rawDigest":"'$digest'"}'
        }
        stopping=
        trap 'stopping=1' TERM
        cat "$home/started-$seed"; echo
        while [ $step -lt \(steps) ]; do
            case $(cat "$home/behaviour-$seed" 2>/dev/null) in
                die) echo "last words" >&2; kill -9 $$ ;;
                crash) echo '{"event":"failed","kind":"diverged","message":"the loss is no number"}'; exit 1 ;;
                babble) echo "this is no JSON"; sleep 5 ;;
                hang) while [ -z "$stopping" ] && [ -f "$home/behaviour-$seed" ]; do sleep 0.02; done ;;
            esac
            if [ -n "$stopping" ]; then checkpoint last $step; exit 75; fi
            step=$((step + 1))
            echo '{"event":"step","step":'$step',"steps":\(steps),"loss":0.5,"learningRate":0.1,"samplesPerSecond":10}'
            checkpoint last $step
            sleep 0.02
        done
        checkpoint best $step
        cat "$home/finished-$seed"; echo
        """
    }
}
