/// What `spm.model` holds of interest: a protocol buffer (`ModelProto` of SentencePiece).
struct SentencePieceFile: Sendable {
    enum PieceKind: Int, Sendable {
        case normal = 1, unknown, control, userDefined, unused, byte
    }

    struct Piece: Sendable {
        var text: [UInt8] = []
        var score: Float = 0
        var kind = PieceKind.normal
    }

    static let pieceLimit = 4 << 20

    var pieces: [Piece] = []
    var unknownID = 0
    var isUnigram = true
    var treatsBlankAsSuffix = false
    var characterMap: ArraySlice<UInt8> = []
    var addsDummyPrefix = true
    var removesExtraBlanks = true
    var escapesBlanks = true

    /// Where and how bytes are no such file.
    struct Malformed: Error {
        var offset: Int
        var reason: String
    }

    init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = ProtocolBufferReader(bytes[...])
        while let field = try reader.field() {
            switch field {
            case (1, .bytes(let bytes)):
                guard self.pieces.count < Self.pieceLimit else {
                    throw Malformed(offset: bytes.startIndex, reason: "more than \(Self.pieceLimit) pieces")
                }
                self.pieces.append(try Self.piece(bytes))
            case (2, .bytes(let bytes)): try self.readTraining(bytes)
            case (3, .bytes(let bytes)): try self.readNormalization(bytes)
            default: break
            }
        }
    }

    private static func piece(_ bytes: ArraySlice<UInt8>) throws(Malformed) -> Piece {
        var piece = Piece()
        var reader = ProtocolBufferReader(bytes)
        while let field = try reader.field() {
            switch field {
            case (1, .bytes(let text)): piece.text = Array(text)
            case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
            case (3, .number(let number)):
                guard let kind = Int(exactly: number).flatMap(PieceKind.init) else {
                    throw Malformed(offset: bytes.startIndex, reason: "a piece of the unknown type \(number)")
                }
                piece.kind = kind
            default: break
            }
        }
        guard piece.score.isFinite, String(validating: piece.text, as: UTF8.self) != nil else {
            let reason = "a piece whose text is not UTF-8 or whose score is not finite"
            throw Malformed(offset: bytes.startIndex, reason: reason)
        }
        return piece
    }

    private mutating func readTraining(_ bytes: ArraySlice<UInt8>) throws(Malformed) {
        var reader = ProtocolBufferReader(bytes)
        while let field = try reader.field() {
            switch field {
            case (3, .number(let kind)): self.isUnigram = kind == 1
            case (24, .number(let flag)): self.treatsBlankAsSuffix = flag != 0
            case (40, .number(let id)): self.unknownID = Int(Int32(truncatingIfNeeded: id))
            default: break
            }
        }
    }

    private mutating func readNormalization(_ bytes: ArraySlice<UInt8>) throws(Malformed) {
        var reader = ProtocolBufferReader(bytes)
        while let field = try reader.field() {
            switch field {
            case (2, .bytes(let map)): self.characterMap = map
            case (3, .number(let flag)): self.addsDummyPrefix = flag != 0
            case (4, .number(let flag)): self.removesExtraBlanks = flag != 0
            case (5, .number(let flag)): self.escapesBlanks = flag != 0
            default: break
            }
        }
    }
}

/// The fields of one message of a protocol buffer.
private struct ProtocolBufferReader {
    enum Value {
        case number(UInt64)
        case fixed64
        case bytes(ArraySlice<UInt8>)
        case fixed32(UInt32)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.rest = bytes }

    private func malformed(_ reason: String) -> SentencePieceFile.Malformed {
        SentencePieceFile.Malformed(offset: self.rest.startIndex, reason: reason)
    }

    /// The next one; nil at the end.
    mutating func field() throws(SentencePieceFile.Malformed) -> (number: UInt64, value: Value)? {
        guard !self.rest.isEmpty else { return nil }
        let tag = try self.number()
        guard tag >> 3 > 0 else { throw self.malformed("a field without number") }
        switch tag & 7 {
        case 0: return (tag >> 3, .number(try self.number()))
        case 1:
            _ = try self.bytes(8)
            return (tag >> 3, .fixed64)
        case 2: return (tag >> 3, .bytes(try self.bytes(try self.number())))
        case 5:
            let bits = try self.bytes(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return (tag >> 3, .fixed32(bits))
        default: throw self.malformed("a field of an unknown kind")
        }
    }

    private mutating func bytes(_ count: UInt64) throws(SentencePieceFile.Malformed) -> ArraySlice<UInt8> {
        guard count <= self.rest.count else { throw self.malformed("the file ends early") }
        let bytes = self.rest.prefix(Int(count))
        self.rest = self.rest.dropFirst(Int(count))
        return bytes
    }

    private mutating func number() throws(SentencePieceFile.Malformed) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = self.rest.popFirst() else { throw self.malformed("the file ends early") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw self.malformed("a number of more than ten bytes")
    }
}
