import Foundation

/// A state dict as `torch.save` writes it since PyTorch 1.6: a zip archive with one pickle, and one entry a storage.
///
/// It is read without Python and without trust: see ``TorchPickle`` for what a pickle may say. Every tensor must lie
/// inside its storage and every storage inside the archive before a byte of it is read.
public struct TorchArchive: @unchecked Sendable {
    public let path: String
    /// In the order in which they are written.
    private let tensors: [(name: String, tensor: TorchTensor, count: Int)]
    /// Places in ``tensors``.
    private let places: [String: Int]
    private let storages: [String: Range<Int>]
    private let bytes: UnsafeRawBufferPointer
    /// Keeps the bytes alive.
    private let owner: Safetensors.Owner

    /// Tensors that share storages may have so many times the archive's bytes, which bounds what a conversion writes.
    private static let growthLimit = 16
    private static let tensorsLimit = 100_000

    /// Maps a file.
    ///
    /// - Throws: ``BackboneError`` naming what is wrong with the file.
    public init(path: String) throws {
        let file = try File(path: path, limitBytes: Safetensors.fileLimitBytes)
        try self.init(path: path, all: file.bytes, owner: .file(file))
    }

    /// Reads bytes at hand; `path` is for messages.
    ///
    /// - Throws: ``BackboneError`` naming what is wrong with them.
    public init(path: String, bytes: [UInt8]) throws {
        let owned = Bytes(bytes)
        try self.init(path: path, all: owned.bytes, owner: .bytes(owned))
    }

    private init(path: String, all: UnsafeRawBufferPointer, owner: Safetensors.Owner) throws {
        func error(_ message: String) -> BackboneError { BackboneError(path: path, message) }
        self.path = path
        self.bytes = all
        self.owner = owner
        do {
            let entries = try ZipDirectory(all).entries
            let pickles = entries.keys.filter { $0.hasSuffix("/data.pkl") }.sorted()
            guard let pickle = pickles.first, pickles.count == 1, let range = entries[pickle] else {
                throw error("holds \(pickles.count) entries called data.pkl; torch.save writes one")
            }
            let folder = pickle.dropLast("data.pkl".count)
            if let order = entries[folder + "byteorder"], !all[order].elementsEqual("little".utf8) {
                throw error("its numbers are not little-endian")
            }
            var storages: [String: Range<Int>] = [:]
            for (name, range) in entries where name.hasPrefix(folder + "data/") {
                storages[String(name.dropFirst(folder.count + "data/".count))] = range
            }
            self.storages = storages
            let stateDict = try TorchPickle.stateDict(UnsafeRawBufferPointer(rebasing: all[range]))
            guard stateDict.count <= Self.tensorsLimit else {
                throw error("holds \(stateDict.count) tensors; the limit is \(Self.tensorsLimit)")
            }
            var (tensors, names, elements) = ([(name: String, tensor: TorchTensor, count: Int)](), Set<String>(), 0)
            for (name, tensor) in stateDict {
                let shown = "tensor \"\(name.prefix(200))\""
                guard names.insert(name).inserted else { throw error("\(shown) is there twice") }
                do {
                    let count = try Self.count(tensor, storageBytes: storages[tensor.storage.key]?.count)
                    tensors.append((name, tensor, count))
                    elements += count
                } catch let problem as TensorProblem { throw error("\(shown) \(problem)") }
            }
            guard elements <= all.count * Self.growthLimit else {
                throw error("its tensors have \(elements) elements, far more than a file of \(all.count) bytes holds")
            }
            // Wide elements first, so that each is aligned in a file of all of them.
            self.tensors = [8, 4, 2, 1].flatMap { width in
                tensors.filter { $0.tensor.storage.type.written.bytes == width }
            }
            self.places = Dictionary(uniqueKeysWithValues: self.tensors.enumerated().map { ($1.name, $0) })
        } catch let problem as ZipDirectory.Problem {
            throw error("\(problem)")
        } catch let problem as TorchPickle.Problem {
            throw error("\(problem)")
        }
    }

    private struct TensorProblem: Error, CustomStringConvertible { let description: String }

    /// How many elements a tensor has, all of them inside its storage and that inside its entry.
    private static func count(_ tensor: TorchTensor, storageBytes: Int?) throws -> Int {
        let storage = tensor.storage
        guard let storageBytes else {
            throw TensorProblem(description: "needs the storage \"\(storage.key.prefix(40))\", which is not there")
        }
        let (needed, isTooLarge) = storage.count.multipliedReportingOverflow(by: storage.type.bytes)
        guard !isTooLarge, needed == storageBytes else {
            throw TensorProblem(
                description: "needs a storage of \(storage.count) elements; \"\(storage.key.prefix(40))\" has "
                    + "\(storageBytes) bytes"
            )
        }
        var (count, last) = (1, tensor.offset)
        guard tensor.shape.count == tensor.strides.count, tensor.offset >= 0 else {
            throw TensorProblem(description: "has the shape \(tensor.shape) and the strides \(tensor.strides)")
        }
        for (size, stride) in zip(tensor.shape, tensor.strides) {
            let (product, countOverflow) = count.multipliedReportingOverflow(by: size)
            let (reach, reachOverflow) = max(0, size - 1).multipliedReportingOverflow(by: stride)
            let (sum, sumOverflow) = last.addingReportingOverflow(reach)
            guard size >= 0, stride >= 0, !countOverflow, !reachOverflow, !sumOverflow else {
                throw TensorProblem(description: "has the shape \(tensor.shape) and the strides \(tensor.strides)")
            }
            (count, last) = (product, sum)
        }
        guard count == 0 || (last < storage.count && count <= storage.count) else {
            throw TensorProblem(
                description: "of the shape \(tensor.shape) reaches outside its storage of \(storage.count) elements"
            )
        }
        return count
    }

    // MARK: Reading

    var names: [String] { self.tensors.map(\.name) }

    func type(_ name: String) -> Safetensors.ElementType { self.entry(name).tensor.storage.type }
    func shape(_ name: String) -> [Int] { self.entry(name).tensor.shape }

    /// A tensor's floats where they stand in the file, valid as long as this value lives; nil where they are of another
    /// type, not aligned, or not one after the other.
    func floats(_ name: String) -> UnsafeBufferPointer<Float>? {
        let (_, tensor, count) = self.entry(name)
        guard tensor.storage.type == .f32, Self.isContiguous(tensor) else { return nil }
        let part = self.elements(tensor, count)
        guard UInt(bitPattern: part.baseAddress) % UInt(MemoryLayout<Float>.alignment) == 0 else { return nil }
        return part.bindMemory(to: Float.self)
    }

    /// Copies a tensor's values, which must be of a fractional type, as 32-bit floats.
    func copyFloats(_ name: String, into floats: UnsafeMutableBufferPointer<Float>) {
        let (_, tensor, count) = self.entry(name)
        precondition(floats.count == count, "\(name): room for \(floats.count) of \(count) values")
        let type = tensor.storage.type
        if Self.isContiguous(tensor) {
            type.widen(self.elements(tensor, count), into: floats)
        } else {
            self.gather(tensor, count).withUnsafeBytes { type.widen($0, into: floats) }
        }
    }

    private func entry(_ name: String) -> (name: String, tensor: TorchTensor, count: Int) {
        guard let place = self.places[name] else { preconditionFailure("no tensor \(name)") }
        return self.tensors[place]
    }

    private func storage(_ tensor: TorchTensor) -> UnsafeRawBufferPointer {
        guard let range = self.storages[tensor.storage.key] else { preconditionFailure("storage unchecked") }
        return UnsafeRawBufferPointer(rebasing: self.bytes[range])
    }

    /// The bytes of a tensor whose elements stand one after the other.
    private func elements(_ tensor: TorchTensor, _ count: Int) -> UnsafeRawBufferPointer {
        guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let width = tensor.storage.type.bytes
        let range = tensor.offset * width..<(tensor.offset + count) * width
        return UnsafeRawBufferPointer(rebasing: self.storage(tensor)[range])
    }

    // MARK: Conversion

    /// Writes a safetensors file: fractional numbers as 32-bit floats, whole ones as they are.
    ///
    /// - Throws: ``BackboneError`` where the file cannot be written.
    public func convert(to path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path)
        else { throw BackboneError(path: path, "cannot be written") }
        do {
            try self.convert { try file.write(contentsOf: Data($0)) }
            try file.close()
        } catch {
            throw BackboneError(path: path, "cannot be written: \(error.localizedDescription)")
        }
    }

    /// The same, a part at a time.
    func convert(_ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        let layout = self.tensors.map { name, tensor, count in
            let type = tensor.storage.type.written
            return SafetensorsLayout.Entry(name: name, type: type, shape: tensor.shape, bytes: count * type.bytes)
        }
        try SafetensorsLayout.header(layout, metadata: ["format": "pt"]).withUnsafeBytes(write)
        for (_, tensor, count) in self.tensors where count > 0 {
            if Self.isContiguous(tensor) {
                try Self.write(self.elements(tensor, count), tensor.storage.type, write)
            } else {
                try self.gather(tensor, count).withUnsafeBytes {
                    try Self.write($0, tensor.storage.type, write)
                }
            }
        }
    }

    /// Writes elements that follow one another, a part at a time.
    private static func write(
        _ source: UnsafeRawBufferPointer,
        _ type: Safetensors.ElementType,
        _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard type.isFractional else { return try write(source) }
        let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: 1 << 20)
        defer { floats.deallocate() }
        for start in stride(from: 0, to: source.count, by: floats.count * type.bytes) {
            let part = UnsafeRawBufferPointer(rebasing: source[start...].prefix(floats.count * type.bytes))
            let widened = UnsafeMutableBufferPointer(rebasing: floats[..<(part.count / type.bytes)])
            type.widen(part, into: widened)
            try write(UnsafeRawBufferPointer(widened))
        }
    }

    private static func isContiguous(_ tensor: TorchTensor) -> Bool {
        var expected = 1
        for (size, stride) in zip(tensor.shape, tensor.strides).reversed() where size != 1 {
            guard stride == expected else { return false }
            expected *= size
        }
        return true
    }

    /// The tensor's bytes in the order of its elements.
    private func gather(_ tensor: TorchTensor, _ count: Int) -> [UInt8] {
        guard count > 0 else { return [] }
        let (source, width) = (self.storage(tensor), tensor.storage.type.bytes)
        var (bytes, index) = ([UInt8](), [Int](repeating: 0, count: tensor.shape.count))
        bytes.reserveCapacity(count * width)
        for _ in 0..<count {
            let element = zip(index, tensor.strides).reduce(tensor.offset) { $0 + $1.0 * $1.1 }
            bytes.append(contentsOf: source[element * width..<(element + 1) * width])
            var dimension = index.count - 1
            while dimension >= 0 {
                index[dimension] += 1
                if index[dimension] < tensor.shape[dimension] { break }
                index[dimension] = 0
                dimension -= 1
            }
        }
        return bytes
    }
}
