public import Sweeps

/// Every measure of a task, and where it has several also their mean, ``MetricName/combined``.
///
/// Agrees with scikit-learn (accuracy, F1, Matthews), SciPy (Pearson, Spearman) and, of answers in words, with the
/// scorers of SQuAD and ReCoRD. Where a measure has no value:
/// F1 and Matthews are 0 when they would divide by zero; accuracy of nothing, and a correlation of fewer than two
/// values or with values that are all the same, is not a number, and so is a mean with it.
///
/// - Parameters:
///   - predictions: one for each label, of the kind that the task has.
///   - labels: what the examples are.
///   - groups: the examples' ``Example/group``; nothing where all are of group 0.
public func score(
    _ predictions: [Label],
    against labels: [Label],
    groups: [Int] = [],
    for task: TaskDescription
) -> [MetricName: Double] {
    precondition(predictions.count == labels.count, "\(predictions.count) predictions for \(labels.count) labels")
    precondition(groups.isEmpty || groups.count == labels.count, "\(groups.count) groups for \(labels.count) labels")
    let groups = groups.isEmpty ? [Int](repeating: 0, count: labels.count) : groups
    var values: [MetricName: Double] = [:]
    if task.labels == .candidate || task.labels == .span { return answerScore(predictions, labels, task) }
    for metric in task.metrics { values[metric] = score(predictions, against: labels, groups, by: metric) }
    if task.metrics.count > 1 {
        values[.combined] = task.metrics.reduce(0) { $0 + (values[$1] ?? .nan) } / Double(task.metrics.count)
    }
    return values
}

/// Answers in words: COPA's are right or not; others are compared as SQuAD's scorers do.
private func answerScore(_ predictions: [Label], _ labels: [Label], _ task: TaskDescription) -> [MetricName: Double] {
    let answers = zip(predictions, labels).map { (prediction: texts($0).first ?? "", gold: texts($1)) }
    guard task.metrics == [.accuracy] else { return answerScore(answers, task.answerRules) }
    return [.accuracy: Double(answers.count { $0.gold.contains($0.prediction) }) / Double(answers.count)]
}

private func texts(_ label: Label) -> [String] {
    guard case .answers(let answers) = label else { preconditionFailure("\(label) is no answer") }
    return answers.map(\.text)
}

private func score(
    _ predictions: [Label],
    against labels: [Label],
    _ groups: [Int],
    by metric: MetricName
) -> Double {
    func ofGroup(_ group: Int) -> Double {
        let members = groups.indices.filter { groups[$0] == group }
        return accuracy(members.map { classIndex(predictions[$0]) }, members.map { classIndex(labels[$0]) })
    }
    return switch metric {
    case .accuracy: accuracy(predictions.map(classIndex), labels.map(classIndex))
    case .matched: ofGroup(0)
    case .mismatched: ofGroup(1)
    case .f1: f1(predictions.map(classIndex), labels.map(classIndex))
    case .macroF1: macroF1(predictions.map(classIndex), labels.map(classIndex))
    case .exactMatch: exactMatch(predictions.map(classIndex), labels.map(classIndex), groups)
    case .matthews: matthews(predictions.map(classIndex), labels.map(classIndex))
    case .pearson: pearson(predictions.map(realNumber), labels.map(realNumber))
    case .spearman: pearson(averageRanks(predictions.map(realNumber)), averageRanks(labels.map(realNumber)))
    case .combined: preconditionFailure("combined is made of others and measures nothing itself")
    }
}

private func classIndex(_ label: Label) -> Int {
    guard case .classIndex(let index) = label else { preconditionFailure("\(label) is no class") }
    return index
}

private func realNumber(_ label: Label) -> Double {
    guard case .score(let score) = label else { preconditionFailure("\(label) is no score") }
    return Double(score)
}

/// The share of predictions that are right.
func accuracy(_ predictions: [Int], _ labels: [Int]) -> Double {
    Double(zip(predictions, labels).count { $0 == $1 }) / Double(labels.count)
}

/// The harmonic mean of precision and recall of a class.
func f1(_ predictions: [Int], _ labels: [Int], of positive: Int = 1) -> Double {
    let hits = zip(predictions, labels).count { $0 == positive && $1 == positive }
    let named = predictions.count { $0 == positive } + labels.count { $0 == positive }
    return named == 0 ? 0 : Double(2 * hits) / Double(named)
}

/// The plain mean of F1 over the classes that were predicted or are labels.
func macroF1(_ predictions: [Int], _ labels: [Int]) -> Double {
    let classes = Set(predictions + labels).sorted()
    return classes.reduce(0) { $0 + f1(predictions, labels, of: $1) } / Double(classes.count)
}

/// The share of groups in which every prediction is right.
func exactMatch(_ predictions: [Int], _ labels: [Int], _ groups: [Int]) -> Double {
    let wrong = Set(groups.indices.filter { predictions[$0] != labels[$0] }.map { groups[$0] })
    let all = Set(groups).count
    return Double(all - wrong.count) / Double(all)
}

/// Matthews' correlation coefficient for any number of classes (Gorodkin 2004):
///
///     (c s - Σ p_k t_k) / √((s² - Σ p_k²) (s² - Σ t_k²))
///
/// with `s` examples, `c` of them right, `p_k` predicted as and `t_k` truly of class k.
func matthews(_ predictions: [Int], _ labels: [Int]) -> Double {
    let classes = (predictions + labels).reduce(0) { max($0, $1 + 1) }
    var (predicted, actual) = ([Int](repeating: 0, count: classes), [Int](repeating: 0, count: classes))
    for index in predictions { predicted[index] += 1 }
    for index in labels { actual[index] += 1 }
    let right = zip(predictions, labels).count { $0 == $1 }
    let all = labels.count
    func products(_ first: [Int], _ second: [Int]) -> Int { zip(first, second).reduce(0) { $0 + $1.0 * $1.1 } }
    let predictedSpread = all * all - products(predicted, predicted)
    let actualSpread = all * all - products(actual, actual)
    guard predictedSpread > 0, actualSpread > 0 else { return 0 }
    let covariance = right * all - products(predicted, actual)
    return Double(covariance) / (Double(predictedSpread) * Double(actualSpread)).squareRoot()
}

/// Pearson's correlation coefficient, within -1...1.
func pearson(_ first: [Double], _ second: [Double]) -> Double {
    guard first.count > 1, let x = first.first, let y = second.first,
        first.contains(where: { $0 != x }), second.contains(where: { $0 != y })
    else { return .nan }
    let (firstCentred, secondCentred) = (centred(first), centred(second))
    func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    let (firstNorm, secondNorm) = (norm(firstCentred), norm(secondCentred))
    let product = zip(firstCentred, secondCentred).reduce(0) { $0 + ($1.0 / firstNorm) * ($1.1 / secondNorm) }
    return product.isNaN ? .nan : min(1, max(-1, product))
}

private func centred(_ values: [Double]) -> [Double] {
    let mean = values.reduce(0, +) / Double(values.count)
    return values.map { $0 - mean }
}

/// Each value's place in ascending order, from 1; equal values share the mean of their places.
func averageRanks(_ values: [Double]) -> [Double] {
    guard !values.contains(where: \.isNaN) else { return [Double](repeating: .nan, count: values.count) }
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
        var end = start + 1
        while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
        // The places are start + 1 ... end.
        for index in order[start..<end] { ranks[index] = Double(start + 1 + end) / 2 }
        start = end
    }
    return ranks
}
