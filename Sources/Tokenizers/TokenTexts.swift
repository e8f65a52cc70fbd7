/// The text of each token, for people: as its vocabulary writes it ("##ing", "▁the").
///
/// All texts stand in one buffer: a vocabulary has a hundred thousand and more, in the memory of every trainer.
struct TokenTexts: Sendable {
    /// Ascending.
    private var ids: [Int32] = []
    private var ends: [Int] = []
    private var bytes: [UInt8] = []

    /// - Parameter tokens: well-formed UTF-8; of two with one id the later counts.
    init(_ tokens: [(bytes: [UInt8], id: Int32)]) {
        var order = Array(tokens.indices)
        if !zip(tokens, tokens.dropFirst()).allSatisfy({ $0.id < $1.id }) {
            order.sort { (tokens[$0].id, $0) < (tokens[$1].id, $1) }
        }
        self.ids.reserveCapacity(order.count)
        self.ends.reserveCapacity(order.count)
        for (place, index) in order.enumerated() {
            let isReplaced = place + 1 < order.count && tokens[order[place + 1]].id == tokens[index].id
            guard !isReplaced else { continue }
            self.bytes += tokens[index].bytes
            self.ids.append(tokens[index].id)
            self.ends.append(self.bytes.count)
        }
    }

    subscript(_ id: Int32) -> String? {
        var (low, high) = (0, self.ids.count)
        while low < high {
            let middle = (low + high) / 2
            if self.ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        guard low < self.ids.count, self.ids[low] == id else { return nil }
        return String(decoding: self.bytes[(low == 0 ? 0 : self.ends[low - 1])..<self.ends[low]], as: UTF8.self)
    }
}
