/// Sequences packed one after the other, without padding.
public struct PackedBatch: Sendable {
    /// `[tokens]`
    public private(set) var tokenIDs: [Int32] = []
    /// `[tokens]`: 0 in the first text, 1 in the second.
    public private(set) var typeIDs: [Int32] = []
    /// `[sequences + 1]`: where each sequence starts, then the number of tokens.
    public private(set) var offsets: [Int] = [0]
    /// `[sequences]`: each one's place in its training step, which its dropout depends on.
    public private(set) var places: [Int] = []

    public init() {}

    public mutating func append(tokenIDs: [Int32], typeIDs: [Int32], place: Int) {
        precondition(tokenIDs.count == typeIDs.count && !tokenIDs.isEmpty, "a sequence has tokens, each with a type")
        self.tokenIDs += tokenIDs
        self.typeIDs += typeIDs
        self.offsets.append(self.tokenIDs.count)
        self.places.append(place)
    }

    public var tokens: Int { self.tokenIDs.count }
    public var sequences: Int { self.places.count }
    public func range(of sequence: Int) -> Range<Int> { self.offsets[sequence]..<self.offsets[sequence + 1] }

    /// Each token's place in its sequence.
    public var positions: [Int] { (0..<self.sequences).flatMap { Array(0..<self.range(of: $0).count) } }

    /// For each token what tells it from the others of its step, whatever they are packed with.
    public var dropoutRows: [UInt32] {
        self.places.indices.flatMap { sequence in
            (0..<self.range(of: sequence).count).map { Dropout.row(place: self.places[sequence], token: $0) }
        }
    }
}
