/// A tensor as a state dict describes it: a window into a storage, counted in elements.
struct TorchTensor: Hashable {
    var storage: TorchStorage
    var offset: Int
    var shape: [Int]
    var strides: [Int]
}

/// A block of elements of one type, which the archive keeps in an entry of its own.
struct TorchStorage: Hashable {
    var type: Safetensors.ElementType
    var key: String
    var count: Int
}

/// Reads the pickle of a state dict: the operations that `torch.save` writes for a dictionary of tensors (protocol 2),
/// and nothing else. Nothing is ever called or imported: an operation or a class that is not in this file is an error
/// that names it.
///
/// Containers live in one array and refer to one another by place, so that neither nesting nor a container that holds
/// itself can cost more than the pickle has bytes.
struct TorchPickle {
    /// What is wrong with a pickle.
    struct Problem: Error, CustomStringConvertible { let description: String }

    /// The largest pickle that is read, in bytes; that of a model with 10,000 tensors has 2 MB.
    static let bytesLimit = 16 << 20
    /// The most operations that are carried out.
    private static let operationsLimit = 4_000_000
    private static let nameBytesLimit = 1024
    /// Of a tensor.
    private static let dimensionsLimit = 8

    private enum Class {
        case orderedDictionary
        case rebuildTensor
        case storage(Safetensors.ElementType)
    }

    private enum Value {
        case mark
        case none
        case truth(Bool)
        case integer(Int)
        case text(String)
        /// Place in ``containers``.
        case tuple(Int)
        /// Place in ``containers``: keys and values by turns.
        case dictionary(Int)
        case classReference(Class)
        case storage(TorchStorage)
        /// Place in ``tensors``.
        case tensor(Int)

        var kind: String {
            switch self {
            case .mark: "a mark"
            case .none: "None"
            case .truth: "a truth value"
            case .integer: "a number"
            case .text: "a text"
            case .tuple: "a tuple"
            case .dictionary: "a dictionary"
            case .classReference: "a class"
            case .storage: "a storage"
            case .tensor: "a tensor"
            }
        }
    }

    private let bytes: UnsafeRawBufferPointer
    private var place = 0
    private var stack: [Value] = []
    private var memo: [Int: Value] = [:]
    private var containers: [[Value]] = []
    private var tensors: [TorchTensor] = []

    private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The tensors by name, in the pickle's order.
    ///
    /// - Throws: ``Problem`` with the byte at which it stands.
    static func stateDict(_ bytes: UnsafeRawBufferPointer) throws -> [(name: String, tensor: TorchTensor)] {
        guard bytes.count <= self.bytesLimit else {
            throw Problem(description: "the pickle has \(bytes.count) bytes; the limit is \(self.bytesLimit)")
        }
        var reader = TorchPickle(bytes)
        let top = try reader.run()
        guard case .dictionary(let place) = top else {
            throw Problem(description: "the pickle holds \(top.kind), not a dictionary of tensors")
        }
        let members = reader.containers[place]
        return try stride(from: 0, to: members.count, by: 2).map { index in
            guard case .text(let name) = members[index], name.utf8.count <= self.nameBytesLimit else {
                throw Problem(description: "a key of the dictionary is \(members[index].kind), not a tensor's name")
            }
            guard case .tensor(let tensor) = members[index + 1] else {
                throw Problem(
                    description: "\"\(name.prefix(200))\" is \(members[index + 1].kind), not a tensor; "
                        + "save the state dict alone"
                )
            }
            return (name, reader.tensors[tensor])
        }
    }

    // MARK: Operations

    private mutating func run() throws -> Value {
        for _ in 0..<Self.operationsLimit {
            let start = self.place
            do {
                let operation = try self.byte()
                if operation == UInt8(ascii: ".") { return try self.pop() }
                try self.carryOut(operation)
            } catch let problem as Problem {
                throw Problem(description: "byte \(start) of the pickle: \(problem)")
            }
        }
        throw Problem(description: "the pickle has more than \(Self.operationsLimit) operations")
    }

    private mutating func carryOut(_ operation: UInt8) throws {
        switch operation {
        case 0x80:  // PROTO
            let version = try self.byte()
            guard version == 2 else { throw Problem(description: "protocol \(version); torch.save writes 2") }
        case UInt8(ascii: "("): self.stack.append(.mark)
        case UInt8(ascii: "N"): self.stack.append(.none)
        case 0x88: self.stack.append(.truth(true))
        case 0x89: self.stack.append(.truth(false))
        case UInt8(ascii: "K"): self.stack.append(.integer(try self.number(bytes: 1)))
        case UInt8(ascii: "M"): self.stack.append(.integer(try self.number(bytes: 2)))
        case UInt8(ascii: "J"):
            self.stack.append(.integer(Int(Int32(truncatingIfNeeded: try self.number(bytes: 4)))))
        case 0x8A: self.stack.append(.integer(try self.long()))
        case UInt8(ascii: "X"): self.stack.append(.text(try self.text(bytes: try self.number(bytes: 4))))
        case UInt8(ascii: "}"): self.stack.append(.dictionary(self.container([])))
        case UInt8(ascii: ")"): self.stack.append(.tuple(self.container([])))
        case 0x85, 0x86, 0x87:
            let count = Int(operation) - 0x84
            guard self.stack.count >= count else { throw Self.emptyStack }
            let members = Array(self.stack.suffix(count))
            self.stack.removeLast(count)
            self.stack.append(.tuple(self.container(members)))
        case UInt8(ascii: "t"):
            let members = try self.popToMark()
            self.stack.append(.tuple(self.container(members)))
        case UInt8(ascii: "s"):
            let (value, key) = (try self.pop(), try self.pop())
            try self.setItems([key, value])
        case UInt8(ascii: "u"): try self.setItems(try self.popToMark())
        case UInt8(ascii: "q"): try self.memorise(try self.number(bytes: 1))
        case UInt8(ascii: "r"): try self.memorise(try self.number(bytes: 4))
        case UInt8(ascii: "h"): try self.recall(try self.number(bytes: 1))
        case UInt8(ascii: "j"): try self.recall(try self.number(bytes: 4))
        case UInt8(ascii: "c"): self.stack.append(.classReference(try self.classReference()))
        case UInt8(ascii: "Q"): self.stack.append(.storage(try self.storage(try self.pop())))
        case UInt8(ascii: "R"): try self.reduce()
        case UInt8(ascii: "b"): try self.build()
        default:
            throw Problem(
                description: "the operation 0x\(String(operation, radix: 16)) has no place in a state dict of tensors"
            )
        }
    }

    private mutating func setItems(_ items: [Value]) throws {
        guard case .dictionary(let place)? = self.stack.last, items.count.isMultiple(of: 2) else {
            throw Problem(description: "items are set in something else than a dictionary")
        }
        self.containers[place] += items
    }

    private mutating func memorise(_ index: Int) throws {
        guard let top = self.stack.last else { throw Self.emptyStack }
        self.memo[index] = top
    }

    private mutating func recall(_ index: Int) throws {
        guard let value = self.memo[index] else { throw Problem(description: "nothing was memorised as \(index)") }
        self.stack.append(value)
    }

    private mutating func classReference() throws -> Class {
        let (module, name) = (try self.line(), try self.line())
        switch (module, name) {
        case ("collections", "OrderedDict"): return .orderedDictionary
        case ("torch._utils", "_rebuild_tensor_v2"): return .rebuildTensor
        case ("torch", "DoubleStorage"): return .storage(.f64)
        case ("torch", "FloatStorage"): return .storage(.f32)
        case ("torch", "HalfStorage"): return .storage(.f16)
        case ("torch", "BFloat16Storage"): return .storage(.bf16)
        case ("torch", "LongStorage"): return .storage(.i64)
        case ("torch", "IntStorage"): return .storage(.i32)
        case ("torch", "ByteStorage"): return .storage(.u8)
        case ("torch", "BoolStorage"): return .storage(.bool)
        default:
            throw Problem(description: "it asks for \(module).\(name), which is not loaded: only tensors are read")
        }
    }

    private mutating func storage(_ reference: Value) throws -> TorchStorage {
        if case .tuple(let place) = reference {
            let members = self.containers[place]
            if members.count == 5, case .text("storage") = members[0],
                case .classReference(.storage(let type)) = members[1],
                case .text(let key) = members[2], case .integer(let count) = members[4], count >= 0
            {
                return TorchStorage(type: type, key: key, count: count)
            }
        }
        throw Problem(description: "a reference from outside the pickle is no storage")
    }

    private mutating func reduce() throws {
        let (arguments, callable) = (try self.pop(), try self.pop())
        guard case .tuple(let place) = arguments, case .classReference(let callee) = callable else {
            throw Problem(description: "\(callable.kind) is called with \(arguments.kind)")
        }
        let members = self.containers[place]
        switch callee {
        case .orderedDictionary:
            guard members.isEmpty else { throw Problem(description: "OrderedDict is called with arguments") }
            self.stack.append(.dictionary(self.container([])))
        case .rebuildTensor:
            // Storage, offset, shape, strides, and what gradients need, which a state dict has no use for.
            guard 6...7 ~= members.count, case .storage(let storage) = members[0],
                case .integer(let offset) = members[1]
            else { throw Problem(description: "_rebuild_tensor_v2 is called with other arguments than a tensor's") }
            self.tensors.append(
                TorchTensor(
                    storage: storage,
                    offset: offset,
                    shape: try self.integers(members[2]),
                    strides: try self.integers(members[3])
                )
            )
            self.stack.append(.tensor(self.tensors.count - 1))
        case .storage: throw Problem(description: "a storage is called as a function")
        }
    }

    /// Attributes of a dictionary, such as a module's versions: nobody needs them.
    private mutating func build() throws {
        guard case .dictionary = try self.pop(), case .dictionary? = self.stack.last else {
            throw Problem(description: "state is set on something else than a dictionary")
        }
    }

    // MARK: Values

    private static var emptyStack: Problem { Problem(description: "it needs a value that is not there") }

    private mutating func container(_ members: [Value]) -> Int {
        self.containers.append(members)
        return self.containers.count - 1
    }

    private mutating func pop() throws -> Value {
        guard let value = self.stack.popLast() else { throw Self.emptyStack }
        return value
    }

    private mutating func popToMark() throws -> [Value] {
        let mark = self.stack.lastIndex { if case .mark = $0 { true } else { false } }
        guard let mark else { throw Self.emptyStack }
        defer { self.stack.removeLast(self.stack.count - mark) }
        return Array(self.stack[(mark + 1)...])
    }

    private func integers(_ value: Value) throws -> [Int] {
        guard case .tuple(let place) = value, self.containers[place].count <= Self.dimensionsLimit else {
            throw Problem(
                description: "a shape is \(value.kind), not a tuple of at most \(Self.dimensionsLimit) numbers"
            )
        }
        return try self.containers[place].map {
            guard case .integer(let number) = $0 else {
                throw Problem(description: "a shape holds \($0.kind), not a number")
            }
            return number
        }
    }

    // MARK: Bytes

    private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard count <= self.bytes.count - self.place else {
            throw Problem(description: "the pickle ends in the middle")
        }
        defer { self.place += count }
        return UnsafeRawBufferPointer(rebasing: self.bytes[self.place..<self.place + count])
    }

    private mutating func byte() throws -> UInt8 { try self.take(1)[0] }

    /// Unsigned, of at most four bytes.
    private mutating func number(bytes: Int) throws -> Int {
        try self.take(bytes).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    /// Signed, of at most eight bytes.
    private mutating func long() throws -> Int {
        let content = try self.take(Int(try self.byte()))
        guard content.count <= 8 else { throw Problem(description: "a number has \(content.count) bytes") }
        let bits = content.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let shift = UInt64(64 - 8 * content.count)
        return content.isEmpty ? 0 : Int(Int64(bitPattern: bits << shift) >> Int64(shift))
    }

    private mutating func text(bytes: Int) throws -> String {
        guard let text = String(validating: try self.take(bytes), as: UTF8.self) else {
            throw Problem(description: "a text is no UTF-8")
        }
        return text
    }

    /// Of a class's name.
    private mutating func line() throws -> String {
        let rest = self.bytes[self.place...].prefix(Self.nameBytesLimit)
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            throw Problem(description: "the name of a class has no end")
        }
        let text = try self.text(bytes: end - self.place)
        self.place += 1
        return text
    }
}
