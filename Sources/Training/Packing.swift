internal import Layers
public import Tasks
public import Tokenizers

/// An example as the encoder sees it.
public struct EncodedExample: Sendable {
    public let encoding: Encoding
    public let label: Label
    /// As ``Example/group``.
    public let group: Int

    public init(encoding: Encoding, label: Label, group: Int = 0) {
        self.encoding = encoding
        self.label = label
        self.group = group
    }
}

/// Some examples packed for one pass, with what they are to be.
struct LabelledBatch {
    var batch = PackedBatch()
    var labels: [Label] = []

    /// Cuts examples into passes of about ``tokenBudget`` tokens each: a step's activations then need no more memory
    /// than one pass's, and stay near the processor. The cuts depend on the lengths alone.
    static func packing(_ examples: [EncodedExample]) -> [LabelledBatch] {
        let tokens = examples.reduce(0) { $0 + $1.encoding.ids.count }
        let passes = max(1, (tokens + Self.tokenBudget - 1) / Self.tokenBudget)
        let share = (tokens + passes - 1) / passes
        var (result, current) = ([LabelledBatch](), LabelledBatch())
        for (place, example) in examples.enumerated() {
            let length = example.encoding.ids.count
            // An example goes where more than half of it would lie.
            if current.batch.tokens > 0, current.batch.tokens + length / 2 > share {
                result.append(current)
                current = LabelledBatch()
            }
            current.batch.append(tokenIDs: example.encoding.ids, typeIDs: example.encoding.typeIDs, place: place)
            current.labels.append(example.label)
        }
        if current.batch.tokens > 0 { result.append(current) }
        return result
    }

    static let tokenBudget = 2048

    var classes: [Int] {
        self.labels.map { label in
            guard case .classIndex(let index) = label else { preconditionFailure("\(label) is no class") }
            return index
        }
    }

    var scores: [Float] {
        self.labels.map { label in
            guard case .score(let score) = label else { preconditionFailure("\(label) is no score") }
            return score
        }
    }
}
