import Sweeps
import Testing

@testable import Tasks

@Suite struct TaskDataTests {
    private func rows(_ prefix: String, _ count: Int) -> [Example] {
        (0..<count).map { Example(first: "\(prefix)\($0)", label: .classIndex($0 % 2)) }
    }

    private func splits(
        _ task: String,
        train: Int,
        dev: Int,
        _ splitProtocol: SplitProtocol,
        training: Int? = nil,
        evaluation: Int? = nil
    ) throws -> Splits {
        TaskData(
            task: try TaskDescription.named(task),
            train: self.rows("t", train),
            dev: self.rows("d", dev),
            protocol: splitProtocol,
            trainingExamples: training,
            evaluationExamples: evaluation
        ).splits
    }

    @Test func `fullDev validates on the whole of dev in its order`() throws {
        let splits = try self.splits("rte", train: 5, dev: 4, .fullDev)
        #expect(splits == Splits(train: self.rows("t", 5), validation: self.rows("d", 4), test: nil))
    }

    @Test func `soraSplit42 halves dev for small tasks`() throws {
        let splits = try self.splits("rte", train: 5, dev: 277, .soraSplit42)
        #expect(splits.train == self.rows("t", 5))
        #expect(splits.validation.count == 138)
        #expect(splits.validation.prefix(3).map(\.first) == ["d207", "d84", "d253"])
        let test = try #require(splits.test)
        #expect(test.count == 139)
        #expect(test.suffix(3).map(\.first) == ["d1", "d119", "d38"])
    }

    @Test func `soraSplit42 takes validation of train for SST-2`() throws {
        let splits = try self.splits("sst-2", train: 67349, dev: 872, .soraSplit42)
        #expect(splits.validation.count == 1000)
        #expect(splits.validation.prefix(2).map(\.first) == ["t6677", "t49712"])
        #expect(splits.train.count == 66349)
        #expect(splits.train.suffix(2).map(\.first) == ["t58784", "t3253"])
        #expect(splits.test == self.rows("d", 872))
    }

    @Test(arguments: [("qqp", 363_846, 40430, 362_846, 40430), ("qnli", 104_743, 5463, 103_743, 5463)])
    func `soraSplit42 takes validation of train for large tasks`(
        task: String,
        train: Int,
        dev: Int,
        kept: Int,
        test: Int
    ) throws {
        let splits = try self.splits(task, train: train, dev: dev, .soraSplit42)
        #expect(splits.train.count == kept)
        #expect(splits.validation.count == 1000)
        #expect(splits.test?.count == test)
    }

    @Test func `soraStated goes by the number of training examples`() throws {
        let small = try self.splits("boolq", train: 9427, dev: 3270, .soraStated)
        #expect(small.train.count == 9427 && small.validation.count == 1635 && small.test?.count == 1635)
        let large = try self.splits("mnli-m", train: 10_000, dev: 9815, .soraStated)
        #expect(large.train.count == 9000 && large.validation.count == 1000 && large.test?.count == 9815)
        let coded = try self.splits("mnli-m", train: 10_000, dev: 9815, .soraSplit42)
        #expect(coded.train.count == 10_000 && coded.validation.count == 4907 && coded.test?.count == 4908)
    }

    @Test func `MNLI's dev sets are halved and limited each on its own`() throws {
        let matched = self.rows("m", 9815)
        let mismatched = self.rows("x", 9832).map { Example(first: $0.first, label: $0.label, group: 1) }
        func splits(_ splitProtocol: SplitProtocol, _ evaluation: Int?) throws -> Splits {
            TaskData(
                task: try TaskDescription.named("mnli"),
                train: self.rows("t", 5),
                dev: matched + mismatched,
                protocol: splitProtocol,
                trainingExamples: nil,
                evaluationExamples: evaluation
            ).splits
        }
        let halved = try splits(.soraSplit42, nil)
        #expect(halved.validation.count { $0.group == 0 } == 4907)
        #expect(halved.validation.count { $0.group == 1 } == 4916)
        #expect(halved.test?.count == 4908 + 4916)
        #expect(halved.validation.prefix(2).map(\.first) == ["m8117", "m4924"])
        #expect(halved.test?.suffix(2).map(\.first) == ["x4362", "x1703"])
        let limited = try splits(.fullDev, 2)
        #expect(limited.validation.map(\.first) == ["m8117", "m4924", "x4358", "x6885"])
    }

    @Test func `MultiRC's answers stay with their question`() throws {
        let rows = (0..<554).map { Example(first: "\($0)", label: .classIndex(0), group: $0 / 2) }
        let splits = TaskData(
            task: try TaskDescription.named("multirc"),
            train: rows,
            dev: rows,
            protocol: .soraSplit42,
            trainingExamples: 1,
            evaluationExamples: nil
        ).splits
        #expect(splits.validation.count == 276)
        #expect(splits.validation.prefix(4).map(\.group) == [207, 207, 84, 84])
        #expect(splits.train.map(\.group) == [207, 207])
        #expect(splits.test?.count == 278)
    }

    @Test func `the first N are of a fixed arrangement`() throws {
        let splits = try self.splits("rte", train: 277, dev: 408, .fullDev, training: 3, evaluation: 2)
        #expect(splits.train.map(\.first) == ["t207", "t84", "t253"])
        #expect(splits.validation.map(\.first) == ["d30", "d63"])
        let all = try self.splits("rte", train: 277, dev: 408, .fullDev, training: 277, evaluation: 500)
        #expect(all == Splits(train: self.rows("t", 277), validation: self.rows("d", 408), test: nil))
    }

    @Test(arguments: ["movie-reviews", "offline"])
    func `a file that is permuted already gives its first rows`(task: String) throws {
        let splits = try self.splits(task, train: 9, dev: 8, .fullDev, training: 3, evaluation: 2)
        #expect(splits == Splits(train: self.rows("t", 3), validation: self.rows("d", 2), test: nil))
    }

    @Test func `evaluation examples limit the test split too`() throws {
        let splits = try self.splits("rte", train: 9, dev: 20, .soraSplit42, evaluation: 4)
        #expect(splits.validation.count == 4)
        #expect(splits.test?.count == 4)
    }

    @Test func `the training sample is 1,000 of train, or as many as are evaluated`() throws {
        func sample(_ task: String, _ train: [Example], evaluation: Int? = nil) throws -> [Example] {
            TaskData(
                task: try TaskDescription.named(task),
                train: train,
                dev: [],
                protocol: .fullDev,
                trainingExamples: nil,
                evaluationExamples: evaluation
            ).trainingSample
        }
        #expect(try sample("rte", self.rows("t", 1000)) == self.rows("t", 1000))
        #expect(try sample("rte", self.rows("t", 1001)).count == 1000)
        #expect(try sample("rte", self.rows("t", 277), evaluation: 3).map(\.first) == ["t207", "t84", "t253"])
        #expect(try sample("offline", self.rows("t", 9), evaluation: 2) == self.rows("t", 2))
        let answers = (0..<554).map { Example(first: "\($0)", label: .classIndex(0), group: $0 / 2) }
        #expect(try sample("multirc", answers, evaluation: 2).map(\.group) == [207, 207, 84, 84])
    }

    @Test(
        .enabled(if: sharedData != nil, "needs ../shared/data/glue"),
        arguments: [
            ("cola", 8551, 521, 522), ("rte", 2490, 138, 139), ("sts-b", 5749, 750, 750), ("sst-2", 66349, 1000, 872),
        ]
    )
    func `real tasks have the published sizes`(task: String, train: Int, validation: Int, test: Int) throws {
        let folder = try #require(sharedData)
        let data = try TaskData(task: try TaskDescription.named(task), folder: folder, protocol: .soraSplit42)
        #expect(data.splits.train.count == train)
        #expect(data.splits.validation.count == validation)
        #expect(data.splits.test?.count == test)
    }
}
