import Foundation

/// A safetensors file: eight bytes of header length, a JSON header, then the tensors' bytes.
///
/// Everything in the header is checked before it is believed: sizes, offsets, shapes, names. The bytes are only read,
/// and live as long as the value.
public struct Safetensors: @unchecked Sendable {
    /// A tensor's place in the file.
    public struct Tensor: Hashable, Sendable {
        public var type: ElementType
        public var shape: [Int]
        /// Relative to the end of the header.
        public var range: Range<Int>

        public var count: Int { self.shape.reduce(1, *) }
    }

    /// The element types that are known by size; which ones a reader takes is its own business.
    public enum ElementType: String, Sendable {
        case f64 = "F64"
        case f32 = "F32"
        case f16 = "F16"
        case bf16 = "BF16"
        case i64 = "I64"
        case i32 = "I32"
        case u8 = "U8"
        case bool = "BOOL"

        var bytes: Int {
            switch self {
            case .f64, .i64: 8
            case .f32, .i32: 4
            case .f16, .bf16: 2
            case .u8, .bool: 1
            }
        }
    }

    /// The largest header that is read, in bytes.
    public static let headerLimitBytes = 16 << 20
    /// The largest file that is read, in bytes.
    public static let fileLimitBytes = 64 << 30

    public let path: String
    public let tensors: [String: Tensor]
    public let metadata: [String: String]
    /// The tensors' bytes.
    private let data: UnsafeRawBufferPointer
    /// Keeps the bytes alive.
    private let owner: Owner

    enum Owner: Sendable {
        case file(File)
        case bytes(Bytes)
    }

    /// Maps a file.
    ///
    /// - Throws: ``BackboneError`` naming what is wrong with the file.
    public init(path: String) throws {
        let file = try File(path: path, limitBytes: Self.fileLimitBytes)
        try self.init(path: path, all: file.bytes, owner: .file(file))
    }

    /// Reads bytes at hand; `path` is for messages.
    ///
    /// - Throws: ``BackboneError`` naming what is wrong with them.
    public init(path: String, bytes: [UInt8]) throws {
        let owned = Bytes(bytes)
        try self.init(path: path, all: owned.bytes, owner: .bytes(owned))
    }

    private init(path: String, all: UnsafeRawBufferPointer, owner: Owner) throws {
        func error(_ message: String) -> BackboneError { BackboneError(path: path, message) }
        guard all.count >= 8 else {
            throw error("has \(all.count) bytes; a safetensors file starts with 8 of header length")
        }
        let length = UInt64(littleEndian: all.loadUnaligned(as: UInt64.self))
        guard length >= 2, length <= UInt64(Self.headerLimitBytes), Int(length) <= all.count - 8 else {
            throw error(
                "the header's length is \(length), the file has \(all.count) bytes: truncated, or no safetensors file"
            )
        }
        self.path = path
        self.owner = owner
        self.data = UnsafeRawBufferPointer(rebasing: all[(8 + Int(length))...])
        let header = Data(all[8..<(8 + Int(length))])
        guard let object = try? JSONSerialization.jsonObject(with: header) as? [String: Any] else {
            throw error("the header is no JSON object")
        }
        self.metadata = object["__metadata__"] as? [String: String] ?? [:]
        var tensors: [String: Tensor] = [:]
        for (name, value) in object where name != "__metadata__" {
            do { tensors[name] = try Self.tensor(value, available: self.data.count) } catch {
                throw BackboneError(path: path, "tensor \"\(name.prefix(200))\": \(error)")
            }
        }
        let ordered = tensors.sorted { ($0.value.range.lowerBound, $0.key) < ($1.value.range.lowerBound, $1.key) }
        for (first, second) in zip(ordered, ordered.dropFirst())
        where first.value.range.upperBound > second.value.range.lowerBound {
            throw error("tensors \"\(first.key.prefix(200))\" and \"\(second.key.prefix(200))\" overlap")
        }
        self.tensors = tensors
    }

    private struct HeaderProblem: Error, CustomStringConvertible { let description: String }

    private static func tensor(_ value: Any, available: Int) throws -> Tensor {
        guard let entry = value as? [String: Any], let typeName = entry["dtype"] as? String,
            let shape = entry["shape"] as? [Int], let offsets = entry["data_offsets"] as? [Int]
        else { throw HeaderProblem(description: "the entry lacks dtype, shape or data_offsets") }
        guard let type = ElementType(rawValue: typeName) else {
            throw HeaderProblem(description: "dtype \(typeName.prefix(20)) is not known")
        }
        guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= available else {
            throw HeaderProblem(
                description:
                    "data_offsets \(offsets.prefix(4)) lie outside the file's \(available) data bytes (truncated?)"
            )
        }
        var bytes = type.bytes
        for dimension in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow, shape.count <= 8 else {
                throw HeaderProblem(description: "shape \(shape.prefix(8)) is out of range")
            }
            bytes = product
        }
        guard bytes == offsets[1] - offsets[0] else {
            throw HeaderProblem(
                description: "shape \(shape) needs \(bytes) bytes, data_offsets give \(offsets[1] - offsets[0])"
            )
        }
        return Tensor(type: type, shape: shape, range: offsets[0]..<offsets[1])
    }

    /// The floats of a tensor, where they stand; valid as long as this value lives.
    ///
    /// - Throws: ``BackboneError`` when there is none of that name, or of another type.
    public func floats(_ name: String) throws -> UnsafeBufferPointer<Float> {
        try self.elements(name, type: .f32).bindMemory(to: Float.self)
    }

    /// The same for whole numbers of 32 bits.
    public func integers(_ name: String) throws -> UnsafeBufferPointer<Int32> {
        try self.elements(name, type: .i32).bindMemory(to: Int32.self)
    }

    /// Copies the values of a tensor of any fractional type.
    ///
    /// - Throws: ``BackboneError`` when there is none of that name, or of another type.
    public func copyFloats(_ name: String, into floats: UnsafeMutableBufferPointer<Float>) throws {
        let tensor = try self.tensor(name)
        guard tensor.type.isFractional else {
            throw BackboneError(path: self.path, "tensor \"\(name)\" is \(tensor.type.rawValue), no fractional numbers")
        }
        precondition(floats.count == tensor.count, "\(name): room for \(floats.count) of \(tensor.count) values")
        tensor.type.widen(UnsafeRawBufferPointer(rebasing: self.data[tensor.range]), into: floats)
    }

    private func tensor(_ name: String) throws -> Tensor {
        guard let tensor = self.tensors[name] else { throw BackboneError(path: self.path, "has no tensor \"\(name)\"") }
        return tensor
    }

    private func elements(_ name: String, type: ElementType) throws -> UnsafeRawBufferPointer {
        let tensor = try self.tensor(name)
        guard tensor.type == type else {
            throw BackboneError(
                path: self.path,
                "tensor \"\(name)\" is \(tensor.type.rawValue); convert it to \(type.rawValue)"
            )
        }
        let part = UnsafeRawBufferPointer(rebasing: self.data[tensor.range])
        guard UInt(bitPattern: part.baseAddress) % UInt(type.bytes) == 0 else {
            throw BackboneError(path: self.path, "tensor \"\(name)\" is not aligned; write the file anew")
        }
        return part
    }
}

/// Bytes at a fixed address.
final class Bytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(_ content: [UInt8]) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, content.count), alignment: 64)
        memory.copyBytes(from: content)
        self.bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<content.count])
    }

    deinit { UnsafeMutableRawPointer(mutating: self.bytes.baseAddress)?.deallocate() }
}

/// Builds a safetensors file in memory: tensors in the order in which they are added, the header padded to a
/// multiple of eight so that the data is aligned; equal content gives equal bytes.
public struct SafetensorsWriter {
    private var entries: [SafetensorsLayout.Entry] = []
    private var data: [UInt8] = []
    private let metadata: [String: String]

    public init(metadata: [String: String] = [:]) { self.metadata = metadata }

    public mutating func add(_ name: String, shape: [Int], _ values: UnsafeBufferPointer<Float>) {
        precondition(values.count == shape.reduce(1, *), "\(name): \(values.count) values for \(shape)")
        self.add(name, .f32, shape, UnsafeRawBufferPointer(values))
    }

    public mutating func add(_ name: String, shape: [Int], _ values: UnsafeBufferPointer<Int32>) {
        precondition(values.count == shape.reduce(1, *), "\(name): \(values.count) values for \(shape)")
        self.add(name, .i32, shape, UnsafeRawBufferPointer(values))
    }

    private mutating func add(
        _ name: String,
        _ type: Safetensors.ElementType,
        _ shape: [Int],
        _ bytes: UnsafeRawBufferPointer
    ) {
        precondition(!self.entries.contains { $0.name == name }, "tensor \(name) is added twice")
        self.entries.append(SafetensorsLayout.Entry(name: name, type: type, shape: shape, bytes: bytes.count))
        self.data.append(contentsOf: bytes)
    }

    /// The file's bytes.
    public consuming func bytes() throws -> [UInt8] {
        try SafetensorsLayout.header(self.entries, metadata: self.metadata) + self.data
    }
}

/// How a safetensors file begins.
enum SafetensorsLayout {
    struct Entry {
        var name: String
        var type: Safetensors.ElementType
        var shape: [Int]
        var bytes: Int
    }

    /// The header's length and the header, of tensors that follow one another.
    static func header(_ entries: [Entry], metadata: [String: String]) throws -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = try metadata.sorted { $0.key < $1.key }.map {
                "\(try quoted($0.key)):\(try quoted($0.value))"
            }
            members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var offset = 0
        for entry in entries {
            let shape = entry.shape.map(String.init).joined(separator: ",")
            members.append(
                "\(try quoted(entry.name)):{\"dtype\":\"\(entry.type.rawValue)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(offset + entry.bytes)]}"
            )
            offset += entry.bytes
        }
        var header = Array("{\(members.joined(separator: ","))}".utf8)
        header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    }

    private static func quoted(_ text: String) throws -> String {
        String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
    }
}
