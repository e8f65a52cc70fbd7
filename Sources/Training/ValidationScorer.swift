internal import Adapters
internal import Encoders

/// Scores one network again and again on the same validation examples while its method changes it.
final class ValidationScorer: NetworkScorer {
    private let evaluator: Evaluator
    private let examples: [EncodedExample]
    private let isStopping: () -> Bool
    /// Of the prefixes of one block, by pass.
    private var states: [NetworkPrefix: [Int: HiddenStates]] = [:]

    init(_ evaluator: Evaluator, examples: [EncodedExample], isStopping: @escaping () -> Bool) {
        self.evaluator = evaluator
        self.examples = examples
        self.isStopping = isStopping
    }

    func score(examples count: Int, prefix: NetworkPrefix?) -> Double? {
        self.evaluator.predict(
            Array(self.examples.prefix(count)),
            states: { pass in prefix.map { self.states(of: $0, pass: pass) } },
            isStopping: self.isStopping
        ).map { -$0.loss }
    }

    private func states(of prefix: NetworkPrefix, pass: Int) -> HiddenStates {
        if let known = self.states[prefix]?[pass] { return known }
        self.states = self.states.filter { $0.key.block == prefix.block }
        let new = HiddenStates(before: prefix.block)
        self.states[prefix, default: [:]][pass] = new
        return new
    }
}
