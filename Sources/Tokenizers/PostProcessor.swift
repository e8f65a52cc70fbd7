/// Sets special tokens around one text or a pair, and cuts what is too long.
struct PostProcessor: Hashable, Sendable {
    enum Piece: Hashable, Sendable {
        case special(ids: [Int32], typeID: Int32)
        case first(typeID: Int32)
        case second(typeID: Int32)
    }

    var single: [Piece]
    var pair: [Piece]

    /// "[CLS] A [SEP]" and "[CLS] A [SEP] B [SEP]", as BERT was trained.
    static func bert(classification: Int32, separator: Int32) -> PostProcessor {
        PostProcessor(
            single: [
                .special(ids: [classification], typeID: 0), .first(typeID: 0), .special(ids: [separator], typeID: 0),
            ],
            pair: [
                .special(ids: [classification], typeID: 0), .first(typeID: 0), .special(ids: [separator], typeID: 0),
                .second(typeID: 1), .special(ids: [separator], typeID: 1),
            ]
        )
    }

    /// "<s> A </s>" and "<s> A </s></s> B </s>", as RoBERTa was trained: it has no token types.
    static func roberta(classification: Int32, separator: Int32) -> PostProcessor {
        let start = Piece.special(ids: [classification], typeID: 0)
        let end = Piece.special(ids: [separator], typeID: 0)
        return PostProcessor(
            single: [start, .first(typeID: 0), end],
            pair: [start, .first(typeID: 0), end, end, .second(typeID: 0), end]
        )
    }

    /// Where a file has no post-processor.
    static let none = PostProcessor(
        single: [.first(typeID: 0)],
        pair: [.first(typeID: 0), .second(typeID: 1)]
    )

    /// One more than the largest id of its special tokens.
    var vocabularySize: Int {
        (self.single + self.pair).reduce(0) { size, piece in
            guard case .special(let ids, _) = piece else { return size }
            return ids.reduce(size) { max($0, Int($1) + 1) }
        }
    }

    func encoding(_ first: [Int32], _ second: [Int32]?, maximumLength: Int) -> Encoding {
        let pieces = second == nil ? self.single : self.pair
        let available = max(0, maximumLength - Self.specialCount(pieces[...]))
        let (firstCount, secondCount) = Self.truncated(first.count, second?.count ?? 0, to: available)
        var ids: [Int32] = []
        var typeIDs: [Int32] = []
        ids.reserveCapacity(firstCount + secondCount + 3)
        typeIDs.reserveCapacity(firstCount + secondCount + 3)
        func append(_ some: ArraySlice<Int32>, _ typeID: Int32) {
            ids += some
            typeIDs += repeatElement(typeID, count: some.count)
        }
        for piece in pieces {
            switch piece {
            case .special(let some, let typeID): append(some[...], typeID)
            case .first(let typeID): append(first.prefix(firstCount), typeID)
            case .second(let typeID): append((second ?? []).prefix(secondCount), typeID)
            }
        }
        return Encoding(ids: ids, typeIDs: typeIDs)
    }

    static func specialCount(_ pieces: ArraySlice<Piece>) -> Int {
        pieces.reduce(0) { count, piece in
            guard case .special(let ids, _) = piece else { return count }
            return count + ids.count
        }
    }

    /// How many tokens each text keeps: the longer one loses first, and where both must lose, each keeps half, the odd
    /// token going to the longer (to the second where they are equally long).
    static func truncated(_ first: Int, _ second: Int, to available: Int) -> (first: Int, second: Int) {
        guard first + second > available else { return (first, second) }
        let short = min(first, second)
        let half = available / 2
        let (shorter, longer) = short <= half ? (short, available - short) : (half, available - half)
        return first > second ? (longer, shorter) : (shorter, longer)
    }
}
