import Dispatch

/// The middle value; of an even number the mean of the middle two.
func median(_ values: [Double]) -> Double {
    precondition(!values.isEmpty, "no values")
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// The median seconds of one call, over some samples of about a tenth of a second each.
func secondsPerCall(samples: Int = 7, _ body: () -> Void) -> Double {
    func seconds(_ calls: Int) -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<calls { body() }
        return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    }
    body()
    var calls = 1
    while seconds(calls) < 0.05, calls < 1 << 30 { calls *= 2 }
    return median((0..<samples).map { _ in seconds(2 * calls) / Double(2 * calls) })
}

/// A number with so many digits behind the point, right-aligned.
func aligned(_ value: Double, digits: Int = 1, width: Int = 8) -> String {
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    let whole = Int((abs(value) * scale).rounded())
    var text = String(whole)
    while text.count <= digits { text = "0" + text }
    if digits > 0 { text = text.dropLast(digits) + "." + text.suffix(digits) }
    if value < 0 { text = "-" + text }
    return String(repeating: " ", count: max(0, width - text.count)) + text
}

extension String {
    /// Filled up with blanks on the right.
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - self.count)) }
}
