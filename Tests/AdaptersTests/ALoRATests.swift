import Encoders
import Layers
import Sweeps
import Tensors
import Testing

@testable import Adapters

/// Says what it is told to.
private struct Scorer: NetworkScorer {
    let answer: (_ examples: Int) -> Double?
    func score(examples: Int, prefix: NetworkPrefix?) -> Double? { self.answer(examples) }
}

@Suite struct ALoRATests {
    @Test func `rounds come after the first epochs and then at their distance`() {
        let plan = ALoRAPlan(
            firstEpochs: 1,
            roundEpochs: 0.25,
            rounds: 8,
            prunedRanks: 6,
            importanceExamples: 32,
            scope: .network,
            resetsAllMoments: false
        )
        #expect(plan.steps(perEpoch: 63) == [63, 79, 95, 110, 126, 142, 158, 173])
        // So short an epoch would have several of them at once.
        #expect(plan.steps(perEpoch: 2) == [2, 3, 4, 5, 6, 7, 8, 9])
        #expect(throws: Never.self) { try plan.check(steps: 174, perEpoch: 63) }
        let error = #expect(throws: InvalidRun.self) { try plan.check(steps: 100, perEpoch: 63) }
        #expect(error?.description.hasPrefix("the run's 100 steps hold 3 of 8 re-allocations") == true)
    }

    /// The paper's example, and what it does not say: a layer that is full.
    @Test func `new ranks are spread evenly, the rest to the most important`() {
        func shares(_ added: Int, _ rooms: [Int]) -> [Int: Int] {
            ALoRAPlan.shares(added, candidates: rooms.enumerated().map { (layer: $0, room: $1) })
        }
        #expect(shares(8, [9, 9, 9]) == [0: 3, 1: 3, 2: 2])
        #expect(shares(8, [1, 9, 9]) == [0: 1, 1: 4, 2: 3])
        #expect(shares(8, [1, 2, 0]) == [0: 1, 1: 2])
        #expect(shares(8, []) == [:])
    }

    /// Goal: ranks move as algorithm 1 says, with their moments, and the network follows.
    /// Method: a score that makes one rank useless and one layer the most important.
    @Test func `the least important ranks go to layers that lost none`() throws {
        let network = try SmallNetwork(
            method: "alora",
            settings: [
                "initialRank": .integer(2), "maximumRank": .integer(4), "targets": .list(["query", "output"]),
                "prunedRanks": .integer(2), "firstEpochs": .number(1),
            ],
            dropout: 0
        )
        let adaptation = network.adaptation
        #expect(adaptation.keptRanks.map(\.kept.count) == [2, 2, 2, 2])
        let before = adaptation.counts.exact
        let store = network.store
        let name = "encoder.layer.0.attention.self.query.lora_A.weight"
        let survivor = Array(store[name].value[1])
        // S(M), then for each rank without it and with it alone.
        var scores: [Double] = [-1]
        let importance: [[Double]] = [[0, 5], [0.5, 5], [5, 5], [9, 9]]
        for rank in importance.joined() { scores += [-1, rank] }
        var calls = 0
        let scorer = Scorer { examples in
            #expect(examples == 32)
            calls += 1
            return scores[calls - 1]
        }
        let result = adaptation.reallocate(before: UpcomingStep(index: 10, stepsPerEpoch: 10), scorer: scorer)
        #expect(calls == 17)
        guard case .changed(let changes) = result else { throw InvalidRun("nothing was moved: \(result)") }
        #expect(adaptation.keptRanks.map(\.kept.count) == [1, 1, 3, 3])
        #expect(adaptation.counts.exact == before)
        #expect(Array(store[name].value[0]) == survivor, "the last rank has taken the place of the first")
        #expect(store[name].value[1].allSatisfy { $0 == 0 })
        let range = store.range(of: name)
        #expect(changes.contains(.move(from: range.lowerBound + 16, to: range.lowerBound)))
        #expect(changes.contains(.reset(range.lowerBound + 16)))
        let added = store["encoder.layer.1.output.dense.lora_A.weight"].value[2]
        #expect(added.contains { $0 != 0 } && store["encoder.layer.1.output.dense.lora_B.weight"].value[0][2] == 0)
        #expect(adaptation.addition(block: 1, layer: .output)?.adapter.savedColumns == 2 * 3)
    }

    @Test func `a stop while ranks are ablated changes nothing`() throws {
        let network = try SmallNetwork(method: "alora", dropout: 0)
        let values = network.store.values.view.values
        let step = UpcomingStep(index: 5, stepsPerEpoch: 5)
        let result = network.adaptation.reallocate(before: step, scorer: Scorer { _ in nil })
        guard case .stopped = result else { throw InvalidRun("\(result)") }
        #expect(network.store.values.view.values == values)
        let loss = network.loss()
        #expect(loss == (try SmallNetwork(method: "alora", dropout: 0)).loss())
    }

    @Test func `where every layer lost a rank none are added`() throws {
        let network = try SmallNetwork(
            method: "alora",
            settings: ["targets": .list(["query"]), "initialRank": .integer(2), "prunedRanks": .integer(2)],
            dropout: 0
        )
        var calls = 0
        let scorer = Scorer { _ in
            calls += 1
            return [0, 0, 0, 0, 9, 0, 1, 0, 9][calls - 1]
        }
        _ = network.adaptation.reallocate(before: UpcomingStep(index: 5, stepsPerEpoch: 5), scorer: scorer)
        #expect(network.adaptation.keptRanks.map(\.kept.count) == [1, 1])
    }
}
