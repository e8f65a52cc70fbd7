import Digests
import Sweeps

// Runs for programs: every number as it is, `null` where there is none.

extension RunReport {
    /// An array with one object a run, one object a line.
    var json: String {
        let objects = self.runs.map { run in
            let result = run.result
            let heading: [(String, String)] = [
                ("shard", text(run.name)),
                ("sweep", text(run.sweep)),
                ("key", text(result.key.description)),
                ("backbone", text(run.backbone)),
                ("task", text(result.task)),
                ("method", text(result.method)),
                ("seed", String(result.seed)),
                ("protocol", text(result.splitProtocol.rawValue)),
                ("scoredStep", String(result.scoredStep)),
                ("trainableParametersInitial", String(result.trainableParametersInitial)),
                ("trainableParametersFinal", String(result.trainableParametersFinal)),
                ("trueParametersInitial", whole(result.trueParametersInitial)),
                ("trueParametersFinal", whole(result.trueParametersFinal)),
                ("headParameters", String(result.headParameters)),
            ]
            let training: [(String, String)] = [
                ("epochs", number(result.epochs)),
                ("loss", number(result.trainingLoss)),
                ("runtimeSeconds", number(result.runtimeSeconds)),
                ("steps", String(result.steps)),
                ("samplesPerSecond", number(result.samplesPerSecond)),
                ("stepsPerSecond", number(result.stepsPerSecond)),
                ("peakMemoryBytes", String(result.peakMemoryBytes)),
            ]
            let evaluations = ScoredPart.allCases.map { part in
                (part.rawValue, result.evaluation(of: part).map(\.json) ?? "null")
            }
            let methods = [
                ("ranks", result.ranks.map { array($0.map(\.json)) } ?? "null"),
                ("stages", result.stages.map { array($0.map(\.json)) } ?? "null"),
            ]
            return "  \(object(heading + [("train", object(training))] + evaluations + methods))"
        }
        return "[\n\(objects.joined(separator: ",\n"))\n]\n"
    }
}

extension Evaluation {
    fileprivate var json: String {
        let scores = MetricName.allCases.compactMap { metric in
            self.metrics[metric].map { (metric.rawValue, number($0)) }
        }
        return object([
            ("epoch", number(self.epoch)),
            ("metrics", object(scores)),
            ("loss", number(self.loss)),
            ("runtimeSeconds", number(self.runtimeSeconds)),
            ("samples", String(self.samples)),
            ("samplesPerSecond", number(self.samplesPerSecond)),
            ("stepsPerSecond", number(self.stepsPerSecond)),
            ("memoryBeforeBytes", whole(self.memory?.beforeBytes)),
            ("memoryAfterBytes", whole(self.memory?.afterBytes)),
            ("memoryPeakBytes", whole(self.memory?.peakBytes)),
        ])
    }
}

extension LayerRanks {
    fileprivate var json: String {
        object([
            ("block", String(self.block)),
            ("layer", text(self.layer)),
            ("initial", String(self.initial)),
            ("final", String(self.final)),
        ])
    }
}

extension StageResult {
    fileprivate var json: String {
        object([
            ("step", String(self.step)),
            ("sparsity", number(self.sparsity)),
            ("ranks", String(self.ranks)),
            ("validation", number(self.validation)),
            ("generalization", number(self.generalization)),
            ("training", number(self.training)),
            ("memorization", number(self.memorization)),
        ])
    }
}

private func text(_ value: String) -> String { CanonicalJSON.text(value).written }
private func array(_ items: [String]) -> String { "[\(items.joined(separator: ", "))]" }
private func number(_ value: Double?) -> String {
    value.flatMap { $0.isFinite ? CanonicalJSON.number($0).written : nil } ?? "null"
}
private func whole(_ count: Int?) -> String { count.map(String.init) ?? "null" }
