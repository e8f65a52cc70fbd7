import Testing

@testable import Launchers

@Suite struct SlurmBacklogTests {
    private func queue(_ ids: [String], state: String = "RUNNING") -> [SlurmTask] {
        ids.map { SlurmTask(id: SlurmTask.ID($0)!, isCoordinator: false, state: state, reason: "None") }
    }

    @Test(arguments: [
        (workers: 8, slots: 1, left: 20, alive: 0, submits: 8),
        (workers: 8, slots: 1, left: 3, alive: 0, submits: 3),
        (workers: 8, slots: 4, left: 9, alive: 0, submits: 3),
        (workers: 8, slots: 1, left: 20, alive: 6, submits: 2),
        (workers: 8, slots: 1, left: 20, alive: 8, submits: 0),
        (workers: 8, slots: 1, left: 2, alive: 6, submits: 0),
        (workers: 8, slots: 1, left: 0, alive: 0, submits: 0),
    ])
    func `what is missing is submitted`(workers: Int, slots: Int, left: Int, alive: Int, submits: Int) {
        var backlog = SlurmBacklog(workers: workers, slots: slots)
        let tasks = self.queue((0..<alive).map { "1_\($0)" })
        let decision = backlog.step(tasks, shardsLeft: left, shardsWaiting: left) { _ in .work }
        #expect(decision == (submits > 0 ? .submit(submits) : .nothing))
    }

    @Test func `tasks that wait, or complete and may come back, are not replaced`() {
        var backlog = SlurmBacklog(workers: 3, slots: 1)
        let tasks =
            self.queue(["1_1"], state: "PENDING") + self.queue(["1_2"], state: "COMPLETING")
            + [
                SlurmTask(
                    id: SlurmTask.ID(job: 1, task: 3),
                    isCoordinator: false,
                    state: "PENDING",
                    reason: "launch failed requeued held"
                ),
                SlurmTask(id: SlurmTask.ID(job: 2), isCoordinator: true, state: "RUNNING", reason: "None"),
            ]
        #expect(backlog.step(tasks, shardsLeft: 9, shardsWaiting: 9) { _ in .work } == .submit(1))
    }

    /// Goal: jobs that cannot work are not submitted for ever, also where they end between two steps.
    @Test func `five jobs that end before they join end the submitting`() {
        var backlog = SlurmBacklog(workers: 4, slots: 1)
        for job in 1...2 {
            #expect(backlog.step([], shardsLeft: 9, shardsWaiting: 9) { _ in .nowhere } == .submit(4))
            backlog.submitted(job, count: 4)
        }
        #expect(
            backlog.step([], shardsLeft: 9, shardsWaiting: 9) { _ in .nowhere }
                == .giveUp(SlurmTask.ID(job: 2, task: 1), .nowhere)
        )
        #expect(backlog.step(self.queue(["3_1"]), shardsLeft: 9, shardsWaiting: 9) { _ in .work } == .nothing)
        #expect(backlog.step([], shardsLeft: 9, shardsWaiting: 9) { _ in .work } == .end)
    }

    @Test func `a job that has worked starts the count anew`() {
        var backlog = SlurmBacklog(workers: 1, slots: 1)
        for job in 1...20 {
            #expect(
                backlog.step([], shardsLeft: 9, shardsWaiting: 9) {
                    $0.job.isMultiple(of: 5) ? .work : .nowhere
                } == .submit(1)
            )
            backlog.submitted(job, count: 1)
        }
    }

    /// Goal: workers that nothing fits are not submitted for ever either; that others were quicker says nothing of them.
    @Test func `jobs that could be given nothing end the submitting, where something waits`() {
        var backlog = SlurmBacklog(workers: 4, slots: 1)
        for job in 1...9 {
            backlog.submitted(job, count: 4)
            #expect(backlog.step([], shardsLeft: 9, shardsWaiting: 0) { _ in .coordinator } == .nothing)
        }
        #expect(backlog.step([], shardsLeft: 9, shardsWaiting: 2) { _ in .coordinator } == .submit(2))
        backlog.submitted(10, count: 2)
        #expect(backlog.step([], shardsLeft: 2, shardsWaiting: 2) { _ in .coordinator } == .submit(2))
        backlog.submitted(11, count: 2)
        #expect(backlog.step([], shardsLeft: 2, shardsWaiting: 2) { _ in .coordinator } == .submit(2))
        backlog.submitted(12, count: 2)
        let last = SlurmTask.ID(job: 12, task: 1)
        #expect(
            backlog.step([], shardsLeft: 2, shardsWaiting: 2) { _ in .coordinator } == .giveUp(last, .coordinator)
        )
    }

    @Test func `jobs of an earlier coordinator are adopted`() {
        var backlog = SlurmBacklog(workers: 2, slots: 1)
        #expect(backlog.step(self.queue(["7_1", "7_2"]), shardsLeft: 9, shardsWaiting: 9) { _ in .work } == .nothing)
        #expect(backlog.step(self.queue(["7_2"]), shardsLeft: 9, shardsWaiting: 9) { _ in .work } == .submit(1))
    }
}
