import Foundation
import Tensors
import Testing

@Suite struct KernelTests {
    /// From far below to far above where the function bends.
    private static let points = (-4000...4000).map { Float($0) * 0.005 }

    @Test func `gelu is within 1e-6 of double precision`() {
        for (x, y) in zip(Self.points.map(Double.init), self.gelu(Self.points).y) {
            #expect(abs(Double(y) - 0.5 * x * erfc(-x / 2.0.squareRoot())) < 1e-6, "at \(x)")
        }
    }

    private func gelu(_ points: [Float]) -> (y: [Float], slope: [Float]) {
        var (y, slope) = (points, points)
        slope.withUnsafeMutableBufferPointer { x in y.withUnsafeMutableBufferPointer { Elementwise.gelu(x, into: $0) } }
        return (y, slope)
    }

    @Test func `the gradient of gelu is within 1e-6 of double precision`() {
        for (x, d) in zip(Self.points.map(Double.init), self.gelu(Self.points).slope) {
            let density = exp(-x * x / 2) / (2 * Double.pi).squareRoot()
            #expect(abs(Double(d) - (0.5 * erfc(-x / 2.0.squareRoot()) + x * density)) < 1e-6, "at \(x)")
        }
    }

    @Test func `exp has a relative error below 3e-7`() {
        var y = (-870...0).map { Float($0) * 0.1 }
        let x = y
        y.withUnsafeMutableBufferPointer { Elementwise.exponential($0, minus: 0) }
        for (x, y) in zip(x, y) { #expect(abs(Double(y) / exp(Double(x)) - 1) < 3e-7, "at \(x)") }
    }

    @Test(arguments: [1, 7, 8, 31, 32, 33, 100, 1000])
    func `sums and maxima take every element`(count: Int) {
        let values = (0..<count).map { Float(($0 * 37) % 101) - 50 }
        values.withUnsafeBufferPointer { x in
            #expect(Sums.sum(x) == values.reduce(0, +))
            #expect(Sums.dot(x, x) == values.reduce(0) { $0 + $1 * $1 })
            #expect(Sums.squaredDeviation(x, from: 1) == values.reduce(0) { $0 + ($1 - 1) * ($1 - 1) })
            #expect(Sums.dot(x, x, x, minus: 2) == values.reduce(0) { $0 + $1 * $1 * ($1 - 2) })
            #expect(Sums.maximum(x) == values.max())
        }
    }

    /// Known answers of Philox 4×32-10 from its authors' test vectors (Random123, `kat_vectors`).
    @Test func `Philox gives its authors' known answers`() {
        let zero = Philox(seed: 0).block(0, 0, 0, 0)
        #expect(zero == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        let ones = Philox(seed: .max).block(.max, .max, .max, .max)
        #expect(ones == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        let pi = Philox(seed: 0x299f_31d0_a409_3822).block(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344)
        #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func `dropout drops its share and keeps the mean`() {
        var factors = [Float](repeating: 0, count: 40_000)
        let stream = RandomStream(seed: 3, stream: 1)
        factors.withUnsafeMutableBufferPointer { stream.dropoutFactors(row: 5, rate: 0.1, into: $0) }
        let dropped = factors.filter { $0 == 0 }.count
        #expect((3800...4200).contains(dropped))
        #expect(Set(factors) == [0, 1 / (1 - 0.1)])
    }

    @Test func `a permutation has every element once and depends on the seed`() {
        let first = RandomStream(seed: 1, stream: 2).permutation(1000)
        #expect(first.sorted() == Array(0..<1000))
        #expect(first != RandomStream(seed: 2, stream: 2).permutation(1000))
        #expect(first == RandomStream(seed: 1, stream: 2).permutation(1000))
    }

    @Test func `normal numbers have their mean and deviation`() {
        var values = [Float](repeating: 0, count: 50_001)
        values.withUnsafeMutableBufferPointer { RandomStream(seed: 9, stream: 4).normal(deviation: 2, into: $0) }
        let mean = values.reduce(0, +) / Float(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)
        #expect(abs(mean) < 0.04)
        #expect(abs(variance.squareRoot() - 2) < 0.03)
    }
}
