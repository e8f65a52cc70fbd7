import Testing
import Training

@Suite struct CheckpointContainerTests {
    @Test(arguments: [0, 1, 3, 4, 5, 4097])
    func `what is packed comes back`(count: Int) throws {
        let raw = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31) }
        #expect(try CheckpointContainer.unpack(CheckpointContainer.pack(raw), limitBytes: 5000) == raw)
    }

    @Test func `a damaged, cut or foreign file is refused`() throws {
        let stored = try CheckpointContainer.pack([UInt8](repeating: 7, count: 1000))
        for count in [0, 1, 15, 16, stored.count - 1] {
            #expect(throws: CheckpointError.self) {
                try CheckpointContainer.unpack(Array(stored.prefix(count)), limitBytes: 1000)
            }
        }
        var foreign = stored
        foreign[0] ^= 1
        #expect(throws: CheckpointError.self) { try CheckpointContainer.unpack(foreign, limitBytes: 1000) }
        var newer = stored
        newer[7] = 9
        #expect(throws: CheckpointError.self) { try CheckpointContainer.unpack(newer, limitBytes: 1000) }
    }

    @Test func `no more is unpacked than the limit, and the two lengths must agree`() throws {
        let stored = try CheckpointContainer.pack([UInt8](repeating: 0, count: 100_000))
        #expect(throws: CheckpointError.self) { try CheckpointContainer.unpack(stored, limitBytes: 99_999) }
        var smaller = stored
        smaller[8] = 1
        #expect(throws: CheckpointError.self) { try CheckpointContainer.unpack(smaller, limitBytes: 1 << 20) }
    }
}
