import Encoders
import Sweeps
import Tensors
import Testing

@testable import Adapters

@Suite struct AdaLoRATests {
    private func plan(_ settings: Settings) throws -> AdaLoRAPlan {
        AdaLoRAPlan(ResolvedSettings(try MethodDescription.named("adalora").resolve(settings)))
    }

    /// Section A of the methods' specification: the release's scripts for RTE and CoLA.
    @Test func `the budget falls as in the release`() throws {
        let rte = try self.plan([
            "initialSteps": .integer(600), "finalSteps": .integer(1800), "interval": .integer(1),
        ])
        let expected = [(600, 144, false), (601, 143, true), (1350, 81, true), (2099, 72, true), (2101, 72, true)]
        for (step, triplets, prunes) in expected {
            let budget = rte.budget(step: step, steps: 3900, initial: 144, final: 72)
            #expect(budget == (triplets, prunes), "step \(step)")
        }
        let cola = try self.plan([
            "initialSteps": .integer(800), "finalSteps": .integer(3500), "interval": .integer(10),
        ])
        let more = [
            (800, 216, false), (801, 215, false), (810, 214, true), (1400, 132, true), (2000, 90, true),
            (2600, 74, true), (3200, 72, true), (3201, 72, true),
        ]
        for (step, triplets, prunes) in more {
            let budget = cola.budget(step: step, steps: 6700, initial: 216, final: 72)
            #expect(budget == (triplets, prunes), "step \(step)")
        }
        #expect(cola.budget(step: 810, steps: 6700, initial: 864, final: 576) == (860, true))
        #expect(cola.budget(step: 2000, steps: 6700, initial: 864, final: 576) == (612, true))
    }

    @Test func `a run without steps to prune in is refused`() throws {
        let plan = try self.plan(["initialSteps": .integer(50), "finalSteps": .integer(50)])
        let error = #expect(throws: InvalidRun.self) { try plan.check(steps: 100) }
        #expect(
            error?.description.hasPrefix("initialSteps 50 and finalSteps 50 leave none of the run's 100 steps") == true
        )
        #expect(throws: Never.self) { try plan.check(steps: 101) }
        #expect(throws: Never.self) { try self.plan([:]).check(steps: 4) }
    }

    /// Section A: one element whose importance is 0.2 and then 0.1.
    @Test func `importance is smoothed sensitivity and uncertainty`() {
        var (sensitivity, uncertainty) = ([Float](repeating: 0, count: 1), [Float](repeating: 0, count: 1))
        for (importance, mean, deviation) in [(0.2, 0.03, 0.0255), (0.1, 0.0405, 0.0306)] as [(Float, Float, Float)] {
            sensitivity.withUnsafeMutableBufferPointer { sensitivity in
                uncertainty.withUnsafeMutableBufferPointer { uncertainty in
                    [Float(-2)].withUnsafeBufferPointer { p in
                        [importance / 2].withUnsafeBufferPointer { g in
                            smoothImportance(p, g, sensitivity, uncertainty, beta1: 0.85, beta2: 0.85)
                        }
                    }
                }
            }
            #expect(abs(sensitivity[0] - mean) < 1e-8 && abs(uncertainty[0] - deviation) < 1e-8)
        }
        #expect(abs(sensitivity[0] * uncertainty[0] - 0.0012393) < 1e-8)
    }

    /// Goal: the least important triplets go, come back by their gradient, and go again only when it is time.
    /// Method: gradients by hand on a small network; the numbers of E tell.
    @Test func `a pruned triplet can come back`() throws {
        let network = try SmallNetwork(
            method: "adalora",
            settings: [
                "initialRank": .integer(2), "targetRank": .integer(1), "initialSteps": .integer(0),
                "finalSteps": .integer(2), "interval": .integer(2), "targets": .list(["query"]),
            ],
            dropout: 0
        )
        let store = network.store
        let (values, gradients) = (store.values.mutableView[0], store.gradients.mutableView[0])
        let ranges = (0..<2).map { store.range(of: "encoder.layer.\($0).attention.self.query.lora_E") }
        func kept() -> [[Int]] { network.adaptation.keptRanks.map(\.kept) }
        func step(_ index: Int, gradient: [Float]) {
            for (place, range) in ranges.enumerated() {
                for rank in 0..<2 {
                    values[range.lowerBound + rank] += 1
                    gradients[range.lowerBound + rank] = gradient[place * 2 + rank]
                }
            }
            let team = Team(threads: 1)
            let step = FinishedStep(index: index, steps: 9, learningRate: 0, gateLearningRate: 0, stage: 0)
            network.adaptation.update(step, team: team)
        }
        step(0, gradient: [4, 1, 3, 2])
        step(1, gradient: [4, 1, 3, 2])
        #expect(kept() == [[0, 1], [0, 1]])
        // b(2) = int(2 + 2 · (5/7)³) = 2
        step(2, gradient: [4, 1, 3, 2])
        #expect(kept() == [[0], [0]])
        step(3, gradient: [4, 1, 3, 2])
        #expect(kept() == [[0, 1], [0, 1]], "the next step has brought them back")
        for index in 4..<7 { step(index, gradient: [1, 40, 3, 2]) }
        #expect(kept()[0].contains(1), "importance has changed sides")
        step(7, gradient: [0, 0, 0, 0])
        step(8, gradient: [0, 0, 0, 0])
        #expect(kept().joined().count == 2, "the last steps keep to the final budget")
    }
}
