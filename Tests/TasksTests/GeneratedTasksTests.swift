import Sweeps
import Testing

@testable import Tasks

@Suite struct GeneratedTasksTests {
    @Test func `the offline task is the same each time and told by its words`() throws {
        let files = OfflineTask.files()
        #expect(files == OfflineTask.files())
        try withFolder(files) { folder in
            let data = try TaskData(task: try TaskDescription.named("offline"), folder: folder, protocol: .fullDev)
            #expect(data.splits.train.count == OfflineTask.trainingCount)
            #expect(data.splits.validation.count == OfflineTask.devCount)
            let vocabulary = Set(OfflineTask.vocabulary)
            #expect(vocabulary.count == OfflineTask.vocabulary.count)
            let bright = Set(OfflineTask.vocabulary.suffix(10))
            for example in data.splits.train + data.splits.validation {
                let words = example.first.split(separator: " ").map(String.init)
                #expect(words.allSatisfy(vocabulary.contains))
                #expect(example.label == .classIndex(words.contains(where: bright.contains) ? 1 : 0))
            }
            let positive = data.splits.train.count { $0.label == .classIndex(1) }
            #expect((350...450).contains(positive))
        }
    }

    @Test func `film reviews are kept by the distance of their score from zero`() throws {
        var table = "1\t2.5\tFine\tfilm.\r\n2\t-0.4\tNeutral.\r\n3\t-0.5\tBad.\r\n"
        for row in 4...1010 { table += "\(row)\t\(row.isMultiple(of: 2) ? 1.5 : -3)\tRow \(row).\r\n" }
        try withFolder(["table.txt": table]) { folder in
            let files = try MovieReviews.files(table: "\(folder)/table.txt")
            try withFolder(files) { folder in
                let files = try TaskFiles(task: try TaskDescription.named("movie-reviews"), folder: folder)
                let (train, dev) = (try files.examples(.train), try files.examples(.dev))
                #expect(dev.count == MovieReviews.devCount)
                #expect(train.count == 9)
                let all = train + dev
                #expect(all.contains(Example(first: "Fine film.", label: .classIndex(1))))
                #expect(all.contains(Example(first: "Bad.", label: .classIndex(0))))
                #expect(!all.contains { $0.first == "Neutral." })
                #expect(Set(all.map(\.first)).count == all.count)
            }
        }
    }

    @Test(arguments: [
        ("1\t2.5\n", ":1: has 2 columns"), ("1\tx\ty\n", ":1: the score \"x\""), ("1\t2\ty\n", "has 1 usable"),
    ])
    func `a table of reviews that is none is refused`(table: String, expected: String) throws {
        try withFolder(["table.txt": table]) { folder in
            let error = try #require(throws: TaskFileError.self) {
                try MovieReviews.files(table: "\(folder)/table.txt")
            }
            #expect(error.description.contains(expected))
        }
    }
}
