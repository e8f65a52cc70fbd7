import Files
import Foundation
import Testing

/// Every durable step of the real program goes wrong in turn.
@Suite(
    .serialized,
    .enabled(if: Sandbox.isProgramThere, "no quintet executable beside the tests"),
    .enabled(if: FaultPoint.isCompiledIn, "a release build has no fault points")
)
struct CrashPointTests {
    /// How a step goes wrong; the names are those of `QUINTET_FAULTS`.
    enum Fault: String, CaseIterable {
        case fail, crash
    }

    /// A run to be made: a point to arm, and those that were armed where it was first reached.
    private struct Order {
        var point: String
        var provokers: [String] = []
    }

    private struct Outcome {
        var order: Order
        var table: String
        var reached: Set<String> = []
        var isTaken = false
        var problem: String?
    }

    /// Beyond this a sweep that never ends is taken for stuck.
    private static let sessionsLimit = 8
    /// Most of the time is spent waiting: for a worker to be started again, for a shard to be tried again.
    private static let runsAtOnce = 16

    /// Goal: wherever a step fails or the process dies, twice, what follows ends with the table of an undisturbed run.
    /// Method: an undisturbed sweep tells which points there are; each is then armed in a run of its own. A point that
    /// only a recovery reaches is armed together with what led there.
    @Test(.timeLimit(.minutes(10)), arguments: Fault.allCases)
    func `each durable step goes wrong twice, and the table is that of a calm run`(fault: Fault) async throws {
        let sandbox = try Sandbox()
        let grid = try sandbox.writeGrid(
            methods: ["lora"],
            seeds: 1,
            checkpointSeconds: 0.001,
            defaults: "maximumSteps: 12, evaluationExamples: 20"
        )
        let calm = try await Self.run(grid, fault, Order(point: "none"), in: sandbox)
        #expect(calm.problem == nil && calm.table.contains("lora"), "\(calm)")
        #expect(calm.reached.count > 30, "\(calm.reached.sorted())")
        var orders = calm.reached.sorted().map { Order(point: $0) }
        var (taken, led) = (Set<String>(), [String: [[String]]]())
        // Whether a recovery takes the same way again is a matter of time: it has some more tries.
        for _ in 0..<3 where !orders.isEmpty {
            for outcome in try await Self.run(grid, fault, orders, in: sandbox) {
                let point = outcome.order.point
                #expect(outcome.problem == nil, "\(fault) at \(outcome.order)")
                #expect(outcome.table == calm.table, "\(fault) at \(outcome.order)")
                if outcome.isTaken { taken.insert(point) }
                for new in outcome.reached.subtracting(calm.reached).sorted() {
                    led[new, default: []].append(outcome.order.provokers + [point])
                }
            }
            orders = led.keys.filter { !taken.contains($0) }.sorted().flatMap { point in
                (led[point] ?? []).shuffled().prefix(2).map { Order(point: point, provokers: $0) }
            }
        }
        // A grant is written when something else is, or after a second: a calm run does not always come to it.
        #expect(calm.reached.subtracting(taken).allSatisfy { $0.hasPrefix("store.granted") }, "only \(taken.sorted())")
        #expect(taken.contains { $0.hasPrefix("incoming") }, "no run went on from a checkpoint: \(taken.sorted())")
    }

    private static func run(_ grid: String, _ fault: Fault, _ orders: [Order], in sandbox: Sandbox) async throws
        -> [Outcome]
    {
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            var (waiting, outcomes) = (orders[...], [Outcome]())
            while outcomes.count < orders.count {
                while orders.count - waiting.count - outcomes.count < Self.runsAtOnce,
                    let order = waiting.popFirst()
                {
                    group.addTask { try await Self.run(grid, fault, order, in: sandbox) }
                }
                if let outcome = try await group.next() { outcomes.append(outcome) }
            }
            return outcomes
        }
    }

    /// Launches the sweep until it ends well, with its points armed.
    private static func run(_ grid: String, _ fault: Fault, _ order: Order, in sandbox: Sandbox) async throws
        -> Outcome
    {
        let folder = "\(sandbox.folder)/\(UUID().uuidString)"
        let state = "\(folder)/state"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let faults = Set(order.provokers + [order.point]).map { "\(fault.rawValue):2:\($0)" }.joined(separator: ",")
        var outcome = Outcome(order: order, table: "")
        var outputs: [String] = []
        while true {
            let session = try await sandbox.run(
                ["launch", grid, "--state", state, "--workers", "1", "--threads", "1"],
                environment: ["QUINTET_FAULTS": faults, "QUINTET_FAULTS_FOLDER": "\(folder)/faults"]
            )
            outputs.append("exit \(session.code): \(session.output)")
            if session.code == 0 { break }
            guard outputs.count < Self.sessionsLimit else {
                outcome.problem = outputs.joined(separator: "\n---\n")
                return outcome
            }
        }
        func names(_ part: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: "\(folder)/faults/\(part)")
        }
        outcome.reached = Set(try names("reached"))
        outcome.isTaken = try names("taken").contains("\(order.point)-0")
        outcome.table = try await sandbox.run(["collect", "--state", state, "--format", "json"]).output
        return outcome
    }
}
