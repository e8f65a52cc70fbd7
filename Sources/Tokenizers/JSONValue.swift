/// A JSON document whose texts are bytes.
///
/// Keys of a vocabulary must be compared byte by byte, while `String` (and so `JSONDecoder`'s dictionaries) takes
/// canonically equivalent texts for the same key and would lose entries.
enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case text([UInt8])
    case array([JSONValue])
    /// In the file's order; a repeated name is listed again.
    case object([Member])

    struct Member: Hashable, Sendable {
        var name: [UInt8]
        var value: JSONValue
    }

    /// The last member of that name; nil where there is none, where it is `null`, and where this is no object.
    subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self,
            let member = members.last(where: { $0.name.elementsEqual(name.utf8) }), member.value != .null
        else { return nil }
        return member.value
    }

    var text: String? {
        guard case .text(let bytes) = self else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    var integer: Int? {
        guard case .number(let value) = self else { return nil }
        return Int(exactly: value)
    }

    var elements: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// Where and how a text is no JSON.
    struct Malformed: Error {
        var offset: Int
        var reason: String
    }

    /// The document in `bytes`, with nothing but blanks after it.
    init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = JSONReader(bytes: bytes)
        self = try reader.document()
    }
}

/// Reads one document; its nesting is bounded, since every level is a call.
private struct JSONReader {
    static let depthLimit = 64

    let bytes: [UInt8]
    var offset = 0

    mutating func document() throws(JSONValue.Malformed) -> JSONValue {
        let value = try self.value(depth: 0)
        self.skipBlanks()
        guard self.offset == self.bytes.count else { throw self.malformed("something follows the document") }
        return value
    }

    func malformed(_ reason: String) -> JSONValue.Malformed { JSONValue.Malformed(offset: self.offset, reason: reason) }

    var next: UInt8? { self.offset < self.bytes.count ? self.bytes[self.offset] : nil }

    mutating func skipBlanks() {
        while let byte = self.next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { self.offset += 1 }
    }

    mutating func take(_ byte: UInt8) -> Bool {
        self.skipBlanks()
        guard self.next == byte else { return false }
        self.offset += 1
        return true
    }

    mutating func expect(_ byte: UInt8) throws(JSONValue.Malformed) {
        guard self.take(byte) else { throw self.malformed("expected \"\(Character(Unicode.Scalar(byte)))\"") }
    }

    mutating func value(depth: Int) throws(JSONValue.Malformed) -> JSONValue {
        guard depth < Self.depthLimit else { throw self.malformed("nested more than \(Self.depthLimit) deep") }
        self.skipBlanks()
        switch self.next {
        case UInt8(ascii: "{"): return try self.object(depth: depth)
        case UInt8(ascii: "["): return try self.array(depth: depth)
        case UInt8(ascii: "\""): return .text(try self.string())
        case UInt8(ascii: "t"): return try self.word("true", .bool(true))
        case UInt8(ascii: "f"): return try self.word("false", .bool(false))
        case UInt8(ascii: "n"): return try self.word("null", .null)
        case nil: throw self.malformed("the file ends early")
        default: return try self.number()
        }
    }

    mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONValue.Malformed) -> JSONValue {
        for index in 0..<word.utf8CodeUnitCount {
            guard self.next == word.utf8Start[index] else { throw self.malformed("expected \(word)") }
            self.offset += 1
        }
        return value
    }

    mutating func object(depth: Int) throws(JSONValue.Malformed) -> JSONValue {
        self.offset += 1
        var members: [JSONValue.Member] = []
        if self.take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            self.skipBlanks()
            guard self.next == UInt8(ascii: "\"") else { throw self.malformed("expected a name") }
            let name = try self.string()
            try self.expect(UInt8(ascii: ":"))
            members.append(JSONValue.Member(name: name, value: try self.value(depth: depth + 1)))
        } while self.take(UInt8(ascii: ","))
        try self.expect(UInt8(ascii: "}"))
        return .object(members)
    }

    mutating func array(depth: Int) throws(JSONValue.Malformed) -> JSONValue {
        self.offset += 1
        var elements: [JSONValue] = []
        if self.take(UInt8(ascii: "]")) { return .array(elements) }
        repeat { elements.append(try self.value(depth: depth + 1)) } while self.take(UInt8(ascii: ","))
        try self.expect(UInt8(ascii: "]"))
        return .array(elements)
    }

    mutating func number() throws(JSONValue.Malformed) -> JSONValue {
        let start = self.offset
        while let byte = self.next, (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte) { self.offset += 1 }
        let text = String(decoding: self.bytes[start..<self.offset], as: UTF8.self)
        guard let value = Double(text), value.isFinite else {
            self.offset = start
            throw self.malformed("expected a value")
        }
        return .number(value)
    }

    mutating func string() throws(JSONValue.Malformed) -> [UInt8] {
        self.offset += 1
        var result: [UInt8] = []
        while let byte = self.next {
            self.offset += 1
            switch byte {
            case UInt8(ascii: "\""): return result
            case UInt8(ascii: "\\"): try self.escape(into: &result)
            case 0..<0x20: throw self.malformed("a control character inside a text")
            default: result.append(byte)
            }
        }
        throw self.malformed("a text has no end")
    }

    mutating func escape(into result: inout [UInt8]) throws(JSONValue.Malformed) {
        guard let byte = self.next else { throw self.malformed("a text has no end") }
        self.offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "u"):
            var scalar = try self.hexadecimal()
            if (0xD800..<0xDC00).contains(scalar), self.offset + 1 < self.bytes.count,
                self.bytes[self.offset] == UInt8(ascii: "\\"), self.bytes[self.offset + 1] == UInt8(ascii: "u")
            {
                self.offset += 2
                let low = try self.hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw self.malformed("half a surrogate pair") }
                scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
            }
            guard Unicode.Scalar(scalar) != nil else { throw self.malformed("half a surrogate pair") }
            appendUTF8(scalar, to: &result)
        default: throw self.malformed("an unknown escape")
        }
    }

    mutating func hexadecimal() throws(JSONValue.Malformed) -> UInt32 {
        guard self.offset + 4 <= self.bytes.count else { throw self.malformed("the file ends early") }
        var value: UInt32 = 0
        for byte in self.bytes[self.offset..<self.offset + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw self.malformed("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
        }
        self.offset += 4
        return value
    }
}
