public import Layers
public import Tensors

/// What a parameter is before it has memory.
public struct ParameterDeclaration: Hashable, Sendable {
    /// Where its first value comes from.
    public enum Source: Hashable, Sendable {
        /// The backbone's file, under the same name.
        case backbone
        case zeros
        /// Normal numbers of this deviation, by the seed.
        case normal(Double)
        /// Uniform numbers in ±bound, by the seed.
        case uniform(Float)
    }

    public var name: String
    /// As in the file: one to three dimensions.
    public var shape: [Int]
    public var source: Source
    public var isTrainable: Bool
    /// Part of the head, which published counts leave out.
    public var isHead: Bool
    /// Optimised apart from the others, by rules of the method.
    public var isGate: Bool

    public init(
        name: String,
        shape: [Int],
        source: Source,
        isTrainable: Bool,
        isHead: Bool = false,
        isGate: Bool = false
    ) {
        precondition((1...3).contains(shape.count), "\(name) has \(shape.count) dimensions")
        self.name = name
        self.shape = shape
        self.source = source
        self.isTrainable = isTrainable
        self.isHead = isHead
        self.isGate = isGate
    }

    public var count: Int { self.shape.reduce(1, *) }
    var rows: Int { self.shape.count > 1 ? self.shape[0] : 1 }
    var columns: Int { self.count / self.rows }

    /// Whether decay applies: not to biases and layer norms, which are the vectors among the parameters.
    public var decays: Bool { self.shape.count > 1 }
}

/// All parameters of a network: the trainable ones in one allocation with their gradients in another, beside each
/// other in the order of their declaration; the frozen ones where the mapped file has them.
public final class ParameterStore {
    public let declarations: [ParameterDeclaration]
    /// `[1, trainable]`
    public let values: Matrix
    /// `[1, trainable]`
    public let gradients: Matrix
    /// Of each trainable parameter, its part of ``values``.
    public let trainable: [(declaration: ParameterDeclaration, range: Range<Int>)]
    private var parameters: [String: Parameter] = [:]
    private var ranges: [String: Range<Int>] = [:]
    private let seed: UInt64
    /// Keeps mapped files alive.
    private let backbone: BackboneWeights
    /// Frozen parameters that no file has as 32-bit floats.
    private let frozen: Matrix
    /// Frozen parameters that have another value by now.
    private var replaced: [Replaced] = []

    /// - Parameters:
    ///   - backbone: the weights, whose names may have a prefix such as `bert.`.
    ///   - seed: of what has no value yet.
    /// - Throws: ``BackboneError`` for a tensor that is missing or of another shape.
    public init(_ declarations: [ParameterDeclaration], backbone: BackboneWeights, seed: UInt64) throws {
        self.declarations = declarations
        self.backbone = backbone
        self.seed = seed
        var (ranges, trainableCount, frozenCount) = ([(ParameterDeclaration, Range<Int>)](), 0, 0)
        for declaration in declarations {
            if declaration.isTrainable {
                ranges.append((declaration, trainableCount..<trainableCount + declaration.count))
                trainableCount += declaration.count
            } else if try declaration.source != .backbone || backbone.view(declaration) == nil {
                frozenCount += declaration.count
            }
        }
        self.trainable = ranges
        self.ranges = Dictionary(uniqueKeysWithValues: ranges.map { ($0.0.name, $0.1) })
        self.values = Matrix(rows: 1, columns: trainableCount)
        self.gradients = Matrix(rows: 1, columns: trainableCount)
        self.frozen = Matrix(rows: 1, columns: frozenCount)
        var (trainableOffset, frozenOffset) = (0, 0)
        for declaration in declarations {
            let fileView = declaration.source == .backbone ? try backbone.view(declaration) : nil
            if !declaration.isTrainable, let fileView {
                self.add(declaration, Parameter(name: declaration.name, value: fileView))
                continue
            }
            let offset = declaration.isTrainable ? trainableOffset : frozenOffset
            let memory = declaration.isTrainable ? self.values.mutableView : self.frozen.mutableView
            let value = Self.part(of: memory, at: offset, declaration)
            if declaration.source == .backbone {
                try backbone.copy(declaration, into: value)
            } else {
                let flat = UnsafeMutableBufferPointer(start: value.base, count: declaration.count)
                self.draw(declaration.source, name: declaration.name, into: flat)
            }
            let gradient =
                declaration.isTrainable ? Self.part(of: self.gradients.mutableView, at: offset, declaration) : nil
            self.add(declaration, Parameter(name: declaration.name, value: value.view, gradient: gradient))
            if declaration.isTrainable {
                trainableOffset += declaration.count
            } else {
                frozenOffset += declaration.count
            }
        }
    }

    public subscript(name: String) -> Parameter {
        guard let parameter = self.parameters[name] else { preconditionFailure("no parameter is called \(name)") }
        return parameter
    }

    /// Where a trainable parameter stands in ``values``.
    public func range(of name: String) -> Range<Int> {
        guard let range = self.ranges[name] else { preconditionFailure("no trainable parameter is called \(name)") }
        return range
    }

    /// A trainable parameter, to be written.
    public func mutableValue(_ name: String) -> MutableMatrixView {
        let value = self[name].value
        let start = self.range(of: name).lowerBound
        return MutableMatrixView(self.values.mutableView.base + start, rows: value.rows, columns: value.columns)
    }

    /// Gives a parameter another value; a network that reads it is to be built anew, since a frozen one moves.
    public func replace(_ declaration: ParameterDeclaration, _ value: [Float]) {
        let matrix = Matrix(rows: declaration.rows, columns: declaration.columns, value)
        if declaration.isTrainable {
            self.mutableValue(declaration.name).copy(matrix.view)
        } else {
            self.parameters[declaration.name] = Parameter(name: declaration.name, value: matrix.view)
            self.replaced.append(Replaced(matrix))
        }
    }

    /// Keeps a matrix alive.
    private final class Replaced {
        private let matrix: Matrix
        init(_ matrix: consuming Matrix) { self.matrix = matrix }
    }

    /// How many numbers are trained, outside the head and in it.
    public var trainableCounts: (method: Int, head: Int) {
        self.trainable.reduce(into: (0, 0)) { counts, entry in
            if entry.declaration.isHead { counts.1 += entry.range.count } else { counts.0 += entry.range.count }
        }
    }

    /// Takes over the trainable parameters of a file: `parameters.safetensors` as training leaves it, or a whole model's
    /// `model.safetensors`.
    ///
    /// - Throws: ``BackboneError`` for a file that lacks one of them.
    public func load(_ file: Safetensors) throws {
        var ownNames: [String: String] = [:]
        for name in file.tensors.keys { ownNames[BackboneWeights.ownName(name)] = name }
        for (declaration, range) in self.trainable {
            guard let name = ownNames[declaration.name], file.tensors[name]?.shape == declaration.shape else {
                throw BackboneError(path: file.path, "has no \"\(declaration.name)\" of the shape \(declaration.shape)")
            }
            _ = UnsafeMutableBufferPointer(rebasing: self.values.mutableView[0][range]).update(
                from: try file.floats(name)
            )
        }
    }

    private func add(_ declaration: ParameterDeclaration, _ parameter: Parameter) {
        precondition(
            self.parameters.updateValue(parameter, forKey: declaration.name) == nil,
            "\(declaration.name) is declared twice"
        )
    }

    private static func part(of memory: MutableMatrixView, at offset: Int, _ declaration: ParameterDeclaration)
        -> MutableMatrixView
    {
        MutableMatrixView(memory.base + offset, rows: declaration.rows, columns: declaration.columns)
    }

    /// First values of a parameter, or of what it gets later: the same for the same seed, name and step.
    ///
    /// - Parameter step: 0 at first.
    public func draw(
        _ source: ParameterDeclaration.Source,
        name: String,
        step: Int = 0,
        into values: UnsafeMutableBufferPointer<Float>
    ) {
        // The stream belongs to the name, so that one more parameter changes no other.
        let stream = RandomStream(
            seed: self.seed,
            stream: name.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 },
            step: step
        )
        switch source {
        case .zeros: values.update(repeating: 0)
        case .normal(let deviation): stream.normal(deviation: deviation, into: values)
        case .uniform(let bound): stream.uniform(bound: bound, into: values)
        case .backbone: preconditionFailure("\(name) comes from the backbone's file")
        }
    }
}
