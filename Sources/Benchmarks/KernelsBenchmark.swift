import ArgumentParser
import Tensors

/// Elementwise kernels: nanoseconds an element, on one thread and data that stays in the second-level cache. The bound
/// of one that reads and writes is a copy's time.
struct KernelsBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Nanoseconds an element of the vectorised kernels."
    )

    private static let count = 1 << 16

    func run() {
        let x = Matrix(rows: 1, columns: Self.count)
        let y = Matrix(rows: 1, columns: Self.count)
        let (source, target) = (x.mutableView[0], y.mutableView[0])
        RandomStream(seed: 1, stream: 1).normal(deviation: 1, into: source)
        let read = UnsafeBufferPointer(source)
        let stream = RandomStream(seed: 1, stream: 2)
        self.report("copy") { _ = target.update(from: read) }
        self.report("gelu, derivative") { Elementwise.gelu(source, into: target) }
        self.report("exp") { Elementwise.exponential(target, minus: 1) }
        self.report("sum") { target[0] = Sums.sum(read) }
        self.report("dot") { target[0] = Sums.dot(read, read) }
        self.report("maximum") { target[0] = Sums.maximum(read) }
        self.report("dropout factors") { stream.dropoutFactors(row: 1, rate: 0.1, into: target) }
        self.report("add") { Elementwise.add(read, to: target) }
    }

    private func report(_ name: String, _ body: () -> Void) {
        print(name.padded(20) + aligned(secondsPerCall(body) / Double(Self.count) * 1e9, digits: 3) + " ns")
    }
}
