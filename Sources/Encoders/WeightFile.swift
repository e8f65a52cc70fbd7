/// One file of a backbone's weights, of either form.
enum WeightFile: Sendable {
    case safetensors(Safetensors)
    case archive(TorchArchive)

    var path: String {
        switch self {
        case .safetensors(let file): file.path
        case .archive(let file): file.path
        }
    }

    /// In the alphabet's order.
    var names: [String] {
        switch self {
        case .safetensors(let file): file.tensors.keys.sorted()
        case .archive(let file): file.names.sorted()
        }
    }

    /// Of a tensor that is there.
    func type(_ name: String) -> Safetensors.ElementType {
        switch self {
        case .safetensors(let file): Self.tensor(name, of: file).type
        case .archive(let file): file.type(name)
        }
    }

    func shape(_ name: String) -> [Int] {
        switch self {
        case .safetensors(let file): Self.tensor(name, of: file).shape
        case .archive(let file): file.shape(name)
        }
    }

    /// The floats where they stand; nil where they must be copied: see ``copyFloats(_:into:)``.
    func floats(_ name: String) -> UnsafeBufferPointer<Float>? {
        switch self {
        case .safetensors(let file): try? file.floats(name)
        case .archive(let file): file.floats(name)
        }
    }

    /// Copies the values of a tensor as 32-bit floats.
    ///
    /// - Throws: ``BackboneError`` where they are whole numbers.
    func copyFloats(_ name: String, into floats: UnsafeMutableBufferPointer<Float>) throws {
        let type = self.type(name)
        guard type.isFractional else {
            throw BackboneError(path: self.path, "tensor \"\(name)\" is \(type.rawValue), no fractional numbers")
        }
        switch self {
        case .safetensors(let file): try file.copyFloats(name, into: floats)
        case .archive(let file): file.copyFloats(name, into: floats)
        }
    }

    private static func tensor(_ name: String, of file: Safetensors) -> Safetensors.Tensor {
        guard let tensor = file.tensors[name] else { preconditionFailure("no tensor \(name)") }
        return tensor
    }
}
