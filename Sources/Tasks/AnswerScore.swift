internal import Sweeps

/// How answers in words are compared.
enum AnswerRules: Sendable {
    /// SQuAD 1.1's scorer, which ReCoRD's follows: nothing in common is F1 0.
    case squad1
    /// SQuAD 2.0's: an empty answer is right where there is no gold answer, and only there.
    case squad2
}

extension TaskDescription {
    var answerRules: AnswerRules { self.name == "squad-2" ? .squad2 : .squad1 }
}

/// Mean F1 over words and mean exact match, each against the nearest gold answer, and the mean of the two, in 0...1.
///
/// Agrees with the published scorers but for capital sigma at a word's end. Of no answers not a number.
///
/// - Parameter answers: each prediction with its gold answers.
func answerScore(
    _ answers: [(prediction: String, gold: [String])],
    _ rules: AnswerRules
) -> [MetricName: Double] {
    var (f1, exact) = (0.0, 0.0)
    for (prediction, gold) in answers {
        let words = normalizedWords(prediction)
        var golds = gold.map(normalizedWords)
        if rules == .squad2 {
            golds.removeAll(where: \.isEmpty)
            if golds.isEmpty { golds = [[]] }
        }
        f1 += golds.map { wordF1(words, $0, rules) }.max() ?? 0
        exact += golds.contains(words) ? 1 : 0
    }
    let count = Double(answers.count)
    return [.f1: f1 / count, .exactMatch: exact / count, .combined: (f1 + exact) / 2 / count]
}

private func wordF1(_ prediction: [String], _ gold: [String], _ rules: AnswerRules) -> Double {
    if prediction.isEmpty || gold.isEmpty { return rules == .squad2 && prediction == gold ? 1 : 0 }
    var left: [String: Int] = [:]
    for word in gold { left[word, default: 0] += 1 }
    var common = 0
    for word in prediction where left[word, default: 0] > 0 {
        left[word, default: 0] -= 1
        common += 1
    }
    return 2 * Double(common) / Double(prediction.count + gold.count)
}

/// An answer's words as the published scorers compare them: lower case, without ASCII punctuation, without the words
/// a, an and the.
func normalizedWords(_ text: String) -> [String] {
    // As one text: an article is one where letters and digits end, a word where white space is.
    var kept = String.UnicodeScalarView()
    var run = String.UnicodeScalarView()
    func flush() {
        kept.append(contentsOf: ["a", "an", "the"].contains(String(run)) ? " ".unicodeScalars : run)
        run.removeAll(keepingCapacity: true)
    }
    for scalar in text.lowercased().unicodeScalars where !isPunctuation(scalar) {
        if isWordPart(scalar) {
            run.append(scalar)
        } else {
            flush()
            kept.append(scalar)
        }
    }
    flush()
    return kept.split(whereSeparator: isBlank).map { String($0) }
}

/// Python's `string.punctuation`.
private func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "!"..."/", ":"..."@", "["..."`", "{"..."~": true
    default: false
    }
}

/// Python's `\w`.
private func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: scalar == "_" || scalar.properties.numericType != nil
    }
}

/// Python's `str.isspace`.
private func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || ("\u{1C}"..."\u{1F}").contains(scalar)
}
