import Encoders
import Layers
import Testing

@Suite struct RelativePositionsTests {
    @Test func `buckets are those of transformers`() throws {
        let golden = try Safetensors(path: GoldenBERT.folder + "/relative-positions.safetensors")
        #expect(golden.tensors.count == 5)
        for name in golden.tensors.keys {
            let numbers = name.split(separator: ".").compactMap { Int($0) }
            let positions = RelativePositions(buckets: numbers[0], maximum: numbers[1])
            for (distance, bucket) in try golden.integers(name).enumerated() {
                let limit = 2 * positions.span - 1
                #expect(positions.row(distance) == min(Int(bucket) + positions.span, limit), "\(name): \(distance)")
                #expect(positions.row(-distance) == max(positions.span - Int(bucket), 0), "\(name): -\(distance)")
            }
        }
    }

    @Test func `a sequence needs no more rows than it has distances, and none twice`() {
        let positions = RelativePositions(buckets: 256, maximum: 512)
        for length in [1, 2, 64, 128, 129] { #expect(positions.rows(length: length).count == 2 * length - 1) }
        #expect(positions.rows(length: 512) == 1..<512)
    }
}
