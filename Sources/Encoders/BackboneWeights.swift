import Foundation
import Tensors

/// A backbone's weights under the names that the encoder uses.
///
/// All that differs between files is dealt with here: one file or several, prefixes (`bert.encoder…` or `encoder…`),
/// old names of layer norms (`gamma`, `beta`), DeBERTa's names of the projections, other types than 32-bit floats, tensors that fine-tuning never reads.
public struct BackboneWeights: Sendable {
    /// How the weights are stored.
    public enum Form: Hashable, Sendable {
        case safetensors
        case shards(Int)
        case torchArchive
    }

    /// Of the only file, or of the index of several.
    public let path: String
    public let form: Form
    /// By the encoder's name: where the tensor stands, and under which name.
    private let places: [String: Place]

    private struct Place: Sendable {
        let file: WeightFile
        let name: String
        var type: Safetensors.ElementType { self.file.type(self.name) }
        var shape: [Int] { self.file.shape(self.name) }
    }

    private static let prefixes = ["bert.", "roberta.", "deberta."]
    /// Of other heads and of bookkeeping, and of parts that files have although their configuration leaves them out.
    private static let skippedPrefixes = [
        "cls.", "lm_head.", "lm_predictions.", "mask_predictions.", "classifier.", "qa_outputs.", "pooler.",
        "encoder.LayerNorm.",
    ]
    /// The last is what a DeBERTa keeps of its pretraining, where its encoder adds no absolute positions.
    private static let skippedSuffixes = [
        ".position_ids", "embeddings._weight", "embeddings.position_embeddings.weight",
    ]
    private static let indexBytesLimit = 16 << 20
    private static let filesLimit = 1000

    /// Opens the weights of a backbone's folder: `model.safetensors`, else what `model.safetensors.index.json` names,
    /// else `pytorch_model.bin`. Files are mapped, and nothing of a tensor is read.
    ///
    /// - Throws: ``BackboneError`` naming what is wrong with a file.
    public init(folder: String) throws {
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + name) }
        let (index, archive) = ("model.safetensors.index.json", "pytorch_model.bin")
        if exists("model.safetensors") {
            try self.init(file: try Safetensors(path: folder + "/model.safetensors"))
        } else if exists(index) {
            let path = folder + "/" + index
            let files = try Self.files(ofIndex: try File.contents(path: path, limitBytes: Self.indexBytesLimit), path)
                .map { WeightFile.safetensors(try Safetensors(path: folder + "/" + $0)) }
            try self.init(path: path, files: files, form: .shards(files.count))
        } else if exists(archive) {
            let file = WeightFile.archive(try TorchArchive(path: folder + "/" + archive))
            try self.init(path: file.path, files: [file], form: .torchArchive)
        } else {
            throw BackboneError(path: folder, "holds no model.safetensors, \(index) or \(archive)")
        }
    }

    /// - Throws: ``BackboneError`` where two tensors are the same part of the encoder.
    public init(file: Safetensors) throws {
        try self.init(path: file.path, files: [.safetensors(file)], form: .safetensors)
    }

    private init(path: String, files: [WeightFile], form: Form) throws {
        var places: [String: Place] = [:]
        for file in files {
            for name in file.names {
                if let other = places.updateValue(Place(file: file, name: name), forKey: Self.ownName(name)) {
                    throw BackboneError(
                        path: file.path,
                        "tensor \"\(name.prefix(200))\" is the same as \"\(other.name.prefix(200))\" of \(other.file.path)"
                    )
                }
            }
        }
        self.path = path
        self.form = form
        self.places = places
    }

    /// The plain names of the files that an index speaks of.
    static func files(ofIndex bytes: [UInt8], _ path: String) throws -> [String] {
        guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
            let map = object["weight_map"] as? [String: String]
        else { throw BackboneError(path: path, "has no weight_map from names to files") }
        let names = Set(map.values).sorted()
        guard names.count <= self.filesLimit else {
            throw BackboneError(path: path, "speaks of \(names.count) files; the limit is \(self.filesLimit)")
        }
        for name in names where name.contains("/") || name.hasPrefix(".") || name.isEmpty {
            throw BackboneError(path: path, "speaks of the file \"\(name.prefix(200))\", which is no plain name")
        }
        return names
    }

    /// What the encoder calls a file's tensor.
    package static func ownName(_ name: String) -> String {
        let prefix = self.prefixes.first(where: { name.hasPrefix($0) }) ?? ""
        var own = String(name.dropFirst(prefix.count))
        for (ours, theirs) in debertaProjections { own = own.replacing(theirs, with: ours) }
        for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] where own.hasSuffix("LayerNorm" + old) {
            return own.dropLast(old.count) + new
        }
        return own
    }

    /// Checks that the files have what is declared and nothing that nobody knows.
    ///
    /// - Returns: the names that are skipped, for people.
    /// - Throws: ``BackboneError`` for what is missing, of another shape or unexpected.
    public func check(against declarations: [ParameterDeclaration]) throws -> [String] {
        let expected = declarations.filter { $0.source == .backbone }
        let known = Set(expected.map(\.name))
        let others = self.places.keys.filter { !known.contains($0) }.sorted()
        let unexpected = others.first { name in
            !Self.skippedPrefixes.contains { name.hasPrefix($0) }
                && !Self.skippedSuffixes.contains { name.hasSuffix($0) }
        }
        if let unexpected, let place = self.places[unexpected] {
            throw BackboneError(
                path: place.file.path,
                "tensor \"\(place.name.prefix(200))\" belongs to no part of the encoder that config.json describes; "
                    + "give the weights that go with it"
            )
        }
        for declaration in expected { _ = try self.place(declaration) }
        return others.compactMap { self.places[$0]?.name }.sorted()
    }

    /// Whether the files have a parameter of this shape.
    public func has(_ name: String, shape: [Int]) -> Bool { self.places[name]?.shape == shape }

    /// The bytes of all tensors in the files, by their type.
    public var bytesByType: [Safetensors.ElementType: Int] {
        self.places.values.reduce(into: [:]) { bytes, place in
            bytes[place.type, default: 0] += place.shape.reduce(1, *) * place.type.bytes
        }
    }

    /// What declared parameters take of a trainer's memory before training adds to it: the parts of the files that it
    /// reads, and frozen parameters as 32-bit floats where no file has them so.
    ///
    /// - Throws: ``BackboneError`` for what is missing or of another shape.
    public func memoryBytes(_ declarations: [ParameterDeclaration]) throws -> Int {
        try declarations.reduce(0) { bytes, declaration in
            let width = MemoryLayout<Float>.stride
            guard declaration.source == .backbone else {
                return bytes + (declaration.isTrainable ? 0 : declaration.count * width)
            }
            let isCopied = try !declaration.isTrainable && self.view(declaration) == nil
            let inFile = declaration.count * (try self.place(declaration).type.bytes)
            return bytes + inFile + (isCopied ? declaration.count * width : 0)
        }
    }

    /// The head of this kind that the files have, with as many outputs as they say.
    ///
    /// - Throws: ``BackboneError`` where they have none.
    public func head(like head: Head, _ configuration: EncoderConfiguration) throws -> Head {
        let name = configuration.outputPath(head) + ".weight"
        guard let shape = self.places[name]?.shape, let outputs = shape.first else {
            throw BackboneError(
                path: self.path,
                "has no head for this task (\(name)); give the folder of a model that was fine-tuned on it"
            )
        }
        if case .sequence = head { return .sequence(outputs: outputs) }
        return head
    }

    /// Where a file has a parameter; nil where its numbers must be converted or are not aligned: see ``copy(_:into:)``.
    func view(_ declaration: ParameterDeclaration) throws -> MatrixView? {
        let place = try self.place(declaration)
        guard let base = place.file.floats(place.name)?.baseAddress else { return nil }
        return MatrixView(base, rows: declaration.rows, columns: declaration.columns)
    }

    /// Copies a parameter as 32-bit floats.
    func copy(_ declaration: ParameterDeclaration, into values: MutableMatrixView) throws {
        let place = try self.place(declaration)
        try place.file.copyFloats(
            place.name,
            into: UnsafeMutableBufferPointer(start: values.base, count: declaration.count)
        )
    }

    private func place(_ declaration: ParameterDeclaration) throws -> Place {
        guard let place = self.places[declaration.name] else {
            throw BackboneError(
                path: self.path,
                "has no tensor \"\(declaration.name)\"; the file is not this backbone's or is incomplete"
            )
        }
        guard place.shape == declaration.shape else {
            throw BackboneError(
                path: place.file.path,
                "tensor \"\(place.name)\" has the shape \(place.shape); config.json asks for \(declaration.shape)"
            )
        }
        return place
    }
}
