import Adapters
import Sweeps
import Testing
import Training

@Suite struct ScheduleTests {
    private func schedule(_ settings: Settings, examples: Int) throws -> Schedule {
        Schedule(Hyperparameters(try MethodDescription.named("full").resolve(settings)), examples: examples)
    }

    @Test func `the rate rises from zero to the peak and falls to zero at the end`() throws {
        let schedule = try self.schedule(
            ["epochs": .integer(2), "batchSize": .integer(10), "warmupSteps": .integer(4), "learningRate": .number(1)],
            examples: 95
        )
        #expect(schedule.steps == 20)
        #expect((0...4).map(schedule.learningRate) == [0, 0.25, 0.5, 0.75, 1])
        #expect(schedule.learningRate(after: 12) == 0.5)
        #expect(schedule.learningRate(after: 20) == 0)
    }

    @Test func `a warmup ratio is rounded up, and maximumSteps are the whole`() throws {
        let schedule = try self.schedule(
            ["maximumSteps": .integer(30), "warmupRatio": .number(0.06)],
            examples: 2490
        )
        #expect(schedule.steps == 30)
        #expect(schedule.warmupSteps == 2)
    }

    /// Goal: the release of SoRA's rates, whose last steps are taken with rate 0.
    @Test func `a truncated decay ends before the last step`() throws {
        let schedule = try self.schedule(
            [
                "epochs": .integer(3), "batchSize": .integer(10), "warmupRatio": .number(0.1),
                "learningRate": .number(1), "decayEnd": .text("truncated"),
            ],
            examples: 95
        )
        #expect(schedule.steps == 30 && schedule.warmupSteps == 3)
        #expect(schedule.learningRate(after: 27) > 0)
        #expect((28...30).map(schedule.learningRate) == [0, 0, 0])
        let down = Schedule(
            Hyperparameters(try MethodDescription.named("full").resolve(["warmupRatio": .number(0.06)])),
            examples: 2490,
            warmupRounding: .down
        )
        #expect(down.steps == 234 && down.warmupSteps == 14)
    }

    @Test func `later stages have the peak or nothing`() throws {
        let hyperparameters = Hyperparameters(
            try MethodDescription.named("full").resolve([
                "epochs": .integer(2), "batchSize": .integer(10), "learningRate": .number(1),
            ])
        )
        for (rate, expected) in [(StageLearningRate.live, 1.0), (.spent, 0)] {
            let schedule = Schedule(
                hyperparameters,
                examples: 95,
                laterStages: LaterStages(count: 3, epochs: 4, learningRate: rate)
            )
            #expect(schedule.firstSteps == 20 && schedule.steps == 140)
            #expect([20, 59, 60, 139].map(schedule.learningRate) == [expected, expected, expected, expected])
            #expect([0, 19, 20, 59, 60, 139].map(schedule.stage) == [0, 0, 1, 1, 2, 3])
            #expect((1...140).filter(schedule.endsStage) == [20, 60, 100, 140])
        }
    }

    @Test func `every epoch has every example once, in an order of its own`() {
        var order = BatchOrder(examples: 10, batchSize: 4, seed: 1, isShuffled: true)
        let epochs = (0..<2).map { epoch in (0..<3).map { Array(order.batch(after: epoch * 3 + $0)) } }
        for epoch in epochs {
            #expect(epoch.map(\.count) == [4, 4, 2])
            #expect(epoch.flatMap { $0 }.sorted() == Array(0..<10))
        }
        #expect(epochs[0] != epochs[1])
        var resumed = BatchOrder(examples: 10, batchSize: 4, seed: 1, isShuffled: true)
        #expect(Array(resumed.batch(after: 4)) == epochs[1][1])
        var plain = BatchOrder(examples: 5, batchSize: 4, seed: 1, isShuffled: false)
        #expect(Array(plain.batch(after: 0)) + Array(plain.batch(after: 1)) == [0, 1, 2, 3, 4])
    }
}
