import Digests
import Foundation
import Sweeps
import Testing

@Suite struct ShardKeyTests {
    private let shard: Shard

    init() throws {
        self.shard = try Self.shard(method: "lora", given: ["learningRate": .number(5e-4)])
    }

    /// Goal: keys never change by accident, since all results on disk are filed under them.
    /// Method: the text is written out here by hand, and its SHA-256 comes from Python's hashlib.
    @Test func `the key of one shard is pinned`() throws {
        let settings = """
            {"adamEpsilon":1e-08,"alpha":16,"batchSize":32,"beta1":0.9,"beta2":0.999,"checkpoint":"last","epochs":3,\
            "gradientClip":1,"learningRate":0.0005,"maximumLength":128,"optimizer":"adamW","protocol":"fullDev","rank":8,\
            "shuffle":true,"targets":["query","key","value","attentionOutput","intermediate","output"],\
            "warmupRatio":0.06,"weightDecay":0}
            """
        let text = """
            {"backbone":"\(SHA256.hash("backbone"))","data":"\(SHA256.hash("data"))","method":"lora",\
            "numerics":1,"schema":1,"seed":3,"settings":\(settings),"task":"rte"}
            """
        var shard = self.shard
        shard.numerics = 1
        #expect(shard.key == SHA256.hash(text))
        #expect(shard.key.description == "ac89be403b41ba9c1741a53a80b95fe063831fd7f2503231be9bbe9a83596e63")
    }

    @Test(arguments: [("checkpointSeconds", SettingValue.number(1)), ("countingRule", .text("true"))])
    func `what decides no result is no part of the key`(name: String, value: SettingValue) throws {
        let other = try Self.shard(method: "lora", given: ["learningRate": .number(5e-4), name: value])
        #expect(other.key == self.shard.key)
        #expect(other == self.shard)
    }

    /// Goal: whatever decides the result decides the key. Method: each setting in turn gets another value.
    @Test func `every other setting is part of the key`() throws {
        let method = try MethodDescription.named("lora")
        let deciding = method.allSettings.filter(\.decidesResult)
        #expect(deciding.count == method.allSettings.count - 2)
        for setting in deciding {
            let other = try Self.shard(
                method: "lora",
                given: ["learningRate": .number(5e-4)].merging([setting.name: try otherValue(of: setting)]) { $1 }
            )
            #expect(other.key != self.shard.key, "\(setting.name)")
        }
    }

    @Test func `a default that is written out changes nothing`() throws {
        let given: Settings = [
            "learningRate": .number(5e-4), "epochs": .integer(3), "rank": .integer(8), "alpha": .integer(16),
        ]
        #expect(try Self.shard(method: "lora", given: given).key == self.shard.key)
        let checkpoint = given.merging(["checkpoint": .text("last")]) { $1 }
        #expect(try Self.shard(method: "lora", given: checkpoint).key == self.shard.key)
    }

    @Test func `backbone, data, task, method, seed and numerics are part of the key`() {
        var others = [Shard](repeating: self.shard, count: 6)
        others[0].backbone = SHA256.hash("another")
        others[1].data = SHA256.hash("another")
        others[2].task = "cola"
        others[3].method = "full"
        others[4].seed = 4
        others[5].numerics += 1
        #expect(Set(others.map(\.key) + [self.shard.key]).count == 7)
    }

    /// Goal: the same grid in other words is the same work.
    @Test func `neither the order of a grid's keys nor its names decide a key`() throws {
        func keys(_ yaml: String) throws -> [ShardKey] {
            try SweepDefinition(yaml: yaml, file: "g.yaml").shards().map { planned in
                try planned.shard(backbone: SHA256.hash("b"), data: SHA256.hash("d")).key
            }
        }
        let first = try keys(
            "sweep: a\nbackbone: b\ntasks: rte\nmethods: [lora: {rank: 4, alpha: 8, targets: [query, value]}]\ndefaults: {epochs: 2, dropout: 0}"
        )
        let second = try keys(
            "defaults: {dropout: 0.0, epochs: 2}\nmethods:\n- lora: {targets: [value, query], alpha: 8.0, label: x, rank: 4}\ntasks: [RTE]\nbackbone: b\nsweep: other\nseeds: [0, 1, 2, 3, 4]"
        )
        #expect(first == second)
        #expect(Set(first).count == 5)
    }

    /// Goal: where and when a shard runs decides nothing; the kernels decide bits, so a sweep that chooses them has
    /// results of its own.
    @Test func `of what a grid asks of the workers only the kernel class is part of the key`() throws {
        func keys(_ asks: String) throws -> [ShardKey] {
            let yaml = "sweep: a\nbackbone: b\ntasks: rte\nmethods: full\n\(asks)"
            return try SweepDefinition(yaml: yaml, file: "g.yaml").shards().map { planned in
                try planned.shard(backbone: SHA256.hash("b"), data: SHA256.hash("d")).key
            }
        }
        let plain = try keys("")
        #expect(try keys("priority: 3\nweight: 2\nneeds: {labels: x, memory: 1 GiB}") == plain)
        let pinned = try (keys("kernelClass: Haswell"), keys("kernelClass: Zen"))
        #expect(Set(plain + pinned.0 + pinned.1).count == 15)
        var shard = self.shard
        shard.kernelClass = "Haswell"
        #expect(shard.differences(from: self.shard) == ["kernel class: any → Haswell"])
    }

    /// Goal: a shard that travelled has the key that it had. Method: through JSON, where 16.0 may come back as 16.
    @Test func `a shard keeps its key through JSON`() throws {
        let copy = try JSONDecoder().decode(Shard.self, from: JSONEncoder().encode(self.shard))
        #expect(copy == self.shard)
        #expect(copy.hashValue == self.shard.hashValue)
        #expect(copy.key == self.shard.key)
    }

    @Test func `adding a seed leaves the other keys as they are`() throws {
        var sweep = SweepDefinition(
            name: "s",
            backbone: "b",
            tasks: ["rte"],
            methods: [.init(label: "full", method: "full", settings: [:])],
            seeds: Array(0..<5)
        )
        let before = try sweep.shards()
        sweep.seeds = Array(0..<6)
        #expect(try sweep.shards().prefix(5) == before[...])
    }

    private static func shard(method: String, given: Settings) throws -> Shard {
        try Shard(
            backbone: SHA256.hash("backbone"),
            data: SHA256.hash("data"),
            task: "rte",
            method: method,
            settings: try MethodDescription.named(method).resolve(given),
            seed: 3
        )
    }

    private func otherValue(of setting: Setting) throws -> SettingValue {
        switch setting.kind {
        case .flag: .flag(false)
        case .integer(let range):
            .integer(
                setting.defaultValue == .integer(range.lowerBound + 1) ? range.lowerBound + 2 : range.lowerBound + 1
            )
        case .number: .number(0.25)
        case .choice(let names):
            .text(
                try #require(
                    names.first { .text($0) != self.shard.settings[setting.name] ?? setting.defaultValue }
                )
            )
        case .names(let names): .list([names[0]])
        }
    }
}
