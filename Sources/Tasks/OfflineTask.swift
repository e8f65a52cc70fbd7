/// A small generated task of two classes, for where nothing can be fetched: sentences of plain words, among which those
/// of one kind tell the class. The same at every call.
public enum OfflineTask {
    static let trainingCount = 800
    static let devCount = 200

    /// The task's folder: the text of each file by its name.
    public static func files() -> [String: String] {
        var generator = MersenneTwister(seed: 42)
        return [
            "train.tsv": self.table(self.trainingCount, &generator), "dev.tsv": self.table(self.devCount, &generator),
        ]
    }

    /// A vocabulary for it, one token a line of `vocab.txt`: BERT's special tokens, then every word.
    public static var vocabulary: [String] {
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + self.plainWords + self.tellingWords.joined()
    }

    private static let plainWords = words(
        "the a this that one story film play scene actor music voice light house river garden morning evening city "
            + "road was is seemed felt became with of in and but so very quite rather almost again ."
    )
    /// By class.
    private static let tellingWords = [
        words("dull weak bitter broken empty stale harsh clumsy grim hollow"),
        words("bright strong sweet whole rich fresh gentle graceful glad warm"),
    ]

    private static func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

    private static func table(_ count: Int, _ generator: inout MersenneTwister) -> String {
        var lines = ["sentence\tlabel"]
        for _ in 0..<count {
            let label = Int(generator.next() % 2)
            let length = 5 + Int(generator.next() % 12)
            var sentence = (0..<length).map { _ in self.pick(self.plainWords, &generator) }
            for _ in 0..<1 + generator.next() % 3 {
                let place = Int(generator.next()) % (sentence.count + 1)
                sentence.insert(self.pick(self.tellingWords[label], &generator), at: place)
            }
            lines.append("\(sentence.joined(separator: " "))\t\(label)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func pick(_ words: [String], _ generator: inout MersenneTwister) -> String {
        words[Int(generator.next()) % words.count]
    }
}
