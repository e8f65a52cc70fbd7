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
