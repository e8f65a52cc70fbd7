extension Safetensors.ElementType {
    /// Whether values may have a fraction.
    var isFractional: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16: true
        case .i64, .i32, .u8, .bool: false
        }
    }

    /// What a conversion makes of it.
    var written: Safetensors.ElementType { self.isFractional ? .f32 : self }

    /// Converts numbers of a fractional type, at any alignment, to 32 bits: exact for halves and brain floats.
    func widen(_ source: UnsafeRawBufferPointer, into floats: UnsafeMutableBufferPointer<Float>) {
        precondition(source.count == floats.count * self.bytes, "\(source.count) bytes for \(floats.count) numbers")
        switch self {
        case .f32: UnsafeMutableRawBufferPointer(floats).copyMemory(from: source)
        case .f16:
            for i in floats.indices {
                floats[i] = Float(
                    Float16(bitPattern: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
                )
            }
        case .bf16:
            for i in floats.indices {
                let bits = source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
                floats[i] = Float(bitPattern: UInt32(bits) << 16)
            }
        case .f64:
            for i in floats.indices {
                let bits = source.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self)
                floats[i] = Float(Double(bitPattern: bits))
            }
        case .i64, .i32, .u8, .bool: preconditionFailure("\(self.rawValue) is no fractional type")
        }
    }
}
