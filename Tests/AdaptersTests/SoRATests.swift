import Encoders
import Sweeps
import Tensors
import Testing

@testable import Adapters

@Suite struct SoRATests {
    /// Section A of the methods' specification: the release's operator with ξ = 1.
    @Test func `the release's proximal step has a dead zone of twice its threshold`() {
        let expected: [(Float, Float)] = [
            (-3, -2), (-2.5, -1.5), (-2, -1), (-1.9, 0), (-1.5, 0), (-1, -1), (-0.5, 0), (0, 0), (0.5, 0), (1, 1),
            (1.5, 0), (1.9, 0), (2, 1), (2.5, 1.5), (3, 2),
        ]
        for (gate, result) in expected {
            #expect(ProximalRule.repo.apply(gate, threshold: 1) == result, "\(gate)")
            #expect(ProximalRule.repoMultiplyLR.apply(gate, threshold: 1) == result, "\(gate)")
        }
    }

    @Test func `the paper's proximal step is soft thresholding`() {
        for (gate, result) in [(1.5, 0.5), (-1.5, -0.5), (1, 0), (-0.3, 0), (0, 0), (3, 2)] as [(Float, Float)] {
            #expect(ProximalRule.paper.apply(gate, threshold: 1) == result, "\(gate)")
        }
        for rule in ProximalRule.allCases { #expect(rule.apply(0.25, threshold: 0) == 0.25) }
    }

    /// Section A: seven values.
    @Test(arguments: [
        (SparsitySchedule.linear, 0, [0, 1.1667e-4, 2.3333e-4, 3.5e-4, 4.6667e-4, 5.8333e-4, 7e-4]),
        (.logLinear, 1e-4, [1e-4, 2.0003e-4, 3.0004e-4, 4.0004e-4, 5.0004e-4, 6.0002e-4, 7e-4]),
        (.expLinear, 1e-4, [1e-4, 1.3831e-4, 1.9129e-4, 2.6458e-4, 3.6593e-4, 5.0611e-4, 7e-4]),
    ])
    func `sparsity grows as the schedule says`(schedule: SparsitySchedule, first: Double, expected: [Double]) {
        let values = schedule.sparsities(from: first, to: 7e-4, count: 7)
        #expect(values.count == 7)
        for (value, expected) in zip(values, expected) { #expect(abs(value - expected) < 6e-9) }
    }

    /// Goal: the threshold is what each rule says it is: with the gates' rate or without.
    @Test(arguments: [
        ("paper", 0.5, [0.25, 0.75, -2.25]), ("repo", 0.5, [0, 0.5, -2]), ("repoMultiplyLR", 0.5, [0, 0.75, -2.25]),
    ])
    func `the gates shrink by the rule's own threshold`(rule: String, rate: Double, expected: [Float]) throws {
        let network = try SmallNetwork(
            method: "sora",
            settings: ["proximal": .text(rule), "sparsity": .number(0.5), "rank": .integer(3)],
            dropout: 0
        )
        let range = network.store.range(of: "encoder.layer.1.output.dense.lora_gate")
        for (index, value) in zip(range, [rule == "paper" ? 0.5 : 0.45, 1, -2.5] as [Float]) {
            network.store.values.mutableView[0][index] = value
        }
        network.adaptation.update(
            FinishedStep(index: 0, steps: 9, learningRate: 7, gateLearningRate: rate, stage: 0),
            team: Team(threads: 1)
        )
        #expect(range.map { network.store.values.view[0][$0] } == expected)
    }
}
