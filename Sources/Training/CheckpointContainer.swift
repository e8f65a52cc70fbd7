internal import CZstd

/// A checkpoint as it is stored and sent: a header (magic, version, raw length), then zstd over the byte planes of
/// a safetensors file. The planes put the exponents of all floats beside each other, which compresses better.
public enum CheckpointContainer {
    private static let magic = Array("QNTCKPT".utf8)
    private static let version: UInt8 = 1
    private static let headerBytes = 16

    /// Packs a safetensors file.
    ///
    /// - Parameter level: zstd's; 1 costs least and is close to the best on floats.
    /// - Throws: ``CheckpointError`` when zstd cannot.
    public static func pack(_ raw: [UInt8], level: Int32 = 1) throws(CheckpointError) -> [UInt8] {
        let planes = self.split(raw)
        let bound = ZSTD_compressBound(planes.count)
        var stored = [UInt8](repeating: 0, count: self.headerBytes + bound)
        stored.replaceSubrange(0..<7, with: self.magic)
        stored[7] = self.version
        for i in 0..<8 { stored[8 + i] = UInt8(truncatingIfNeeded: raw.count >> (8 * i)) }
        let size = stored.withUnsafeMutableBytes { target in
            ZSTD_compress(target.baseAddress! + self.headerBytes, bound, planes, planes.count, level)
        }
        guard ZSTD_isError(size) == 0 else {
            throw CheckpointError("zstd: \(String(cString: ZSTD_getErrorName(size)))")
        }
        stored.removeLast(bound - size)
        return stored
    }

    /// Unpacks a container; never more than its declared size.
    ///
    /// - Parameter limitBytes: the most that it may declare.
    /// - Throws: ``CheckpointError`` for bytes that are no whole container.
    public static func unpack(_ stored: [UInt8], limitBytes: Int) throws(CheckpointError) -> [UInt8] {
        guard stored.count >= self.headerBytes, Array(stored[0..<7]) == self.magic else {
            throw CheckpointError("no checkpoint: the first bytes are not \"QNTCKPT\"")
        }
        guard stored[7] == self.version else {
            throw CheckpointError("a checkpoint of version \(stored[7]); this program reads version \(self.version)")
        }
        let length = (0..<8).reduce(UInt64(0)) { $0 | UInt64(stored[8 + $1]) << (8 * UInt64($1)) }
        guard length <= UInt64(limitBytes) else {
            throw CheckpointError("the checkpoint declares \(length) bytes; this shard's has at most \(limitBytes)")
        }
        let declared = stored.withUnsafeBytes {
            ZSTD_getFrameContentSize($0.baseAddress! + self.headerBytes, stored.count - self.headerBytes)
        }
        guard declared == length else { throw CheckpointError("the checkpoint is damaged: its two lengths differ") }
        var planes = [UInt8](repeating: 0, count: Int(length))
        let size = stored.withUnsafeBytes {
            ZSTD_decompress(&planes, planes.count, $0.baseAddress! + self.headerBytes, stored.count - self.headerBytes)
        }
        guard ZSTD_isError(size) == 0, size == planes.count else {
            throw CheckpointError("the checkpoint is damaged: \(String(cString: ZSTD_getErrorName(size)))")
        }
        return self.join(planes)
    }

    /// Byte 0 of every group of four, then bytes 1, 2, 3, then what is left over.
    private static func split(_ raw: [UInt8]) -> [UInt8] {
        let groups = raw.count / 4
        return [UInt8](unsafeUninitializedCapacity: raw.count) { target, count in
            raw.withUnsafeBufferPointer { source in
                for plane in 0..<4 {
                    let start = plane * groups
                    for group in 0..<groups { target[start &+ group] = source[4 &* group &+ plane] }
                }
                for rest in 4 * groups..<raw.count { target[rest] = source[rest] }
            }
            count = raw.count
        }
    }

    private static func join(_ planes: [UInt8]) -> [UInt8] {
        let groups = planes.count / 4
        return [UInt8](unsafeUninitializedCapacity: planes.count) { target, count in
            planes.withUnsafeBufferPointer { source in
                for plane in 0..<4 {
                    let start = plane * groups
                    for group in 0..<groups { target[4 &* group &+ plane] = source[start &+ group] }
                }
                for rest in 4 * groups..<planes.count { target[rest] = source[rest] }
            }
            count = planes.count
        }
    }
}

/// A checkpoint that cannot be written, read or used.
public struct CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
