import Foundation

/// Archives that torch wrote, and others like them that it never would.
enum TorchArchives {
    static let folder = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "Golden").path

    static func golden(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: "\(self.folder)/torch-\(name).bin")))
    }

    /// A zip archive of stored entries; `method` is written for each. A large one has its numbers where those stand that
    /// do not fit into 32 bits.
    static func zip(_ entries: [(name: String, bytes: [UInt8])], method: UInt16 = 0, isLarge: Bool = false) -> [UInt8] {
        var (file, directory) = ([UInt8](), [UInt8]())
        func little<T: FixedWidthInteger>(_ number: T) -> [UInt8] {
            withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
        func common(_ name: [UInt8], size: UInt32, extra: [UInt8]) -> [UInt8] {
            little(UInt16(20)) + little(UInt16(0)) + little(method) + [UInt8](repeating: 0, count: 8) + little(size)
                + little(size) + little(UInt16(name.count)) + little(UInt16(extra.count))
        }
        for (name, bytes) in entries {
            let (name, size, start) = (Array(name.utf8), UInt32(bytes.count), file.count)
            file += little(UInt32(0x0403_4B50)) + common(name, size: size, extra: []) + name + bytes
            let numbers = [UInt64(size), UInt64(size), UInt64(start)].flatMap { little($0) }
            let extra = isLarge ? little(UInt16(1)) + little(UInt16(24)) + numbers : []
            directory +=
                little(UInt32(0x0201_4B50)) + little(UInt16(20))
                + common(name, size: isLarge ? .max : size, extra: extra) + [UInt8](repeating: 0, count: 10)
                + little(isLarge ? .max : UInt32(start)) + name + extra
        }
        let start = file.count
        file += directory
        if isLarge {
            let (count, end) = (UInt64(entries.count), UInt64(file.count))
            file += little(UInt32(0x0606_4B50)) + little(UInt64(44)) + [UInt8](repeating: 0, count: 12)
            file += little(count) + little(count) + little(UInt64(directory.count)) + little(UInt64(start))
            file += little(UInt32(0x0706_4B50)) + little(UInt32(0)) + little(end) + little(UInt32(1))
        }
        let count = little(isLarge ? .max : UInt16(entries.count))
        return file + little(UInt32(0x0605_4B50)) + little(UInt32(0)) + count + count + little(UInt32(directory.count))
            + little(isLarge ? .max : UInt32(start)) + little(UInt16(0))
    }

    static func archive(_ pickle: [UInt8], isLarge: Bool = false) -> [UInt8] {
        self.zip([("a/data.pkl", pickle), ("a/data/0", [UInt8](repeating: 0, count: 16))], isLarge: isLarge)
    }

    // MARK: Pieces of pickles

    static func text(_ text: String) -> [UInt8] {
        [UInt8(ascii: "X")] + self.little(text.utf8.count) + Array(text.utf8)
    }

    static func number(_ number: Int) -> [UInt8] {
        [0x8A, 8] + withUnsafeBytes(of: Int64(number).littleEndian) { Array($0) }
    }

    static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

    static func tuple(_ numbers: [Int]) -> [UInt8] {
        [UInt8(ascii: "(")] + numbers.flatMap { self.number($0) } + [UInt8(ascii: "t")]
    }

    /// A dictionary whose one tensor is what these numbers say.
    static func pickle(
        storage: String = "FloatStorage",
        key: String = "0",
        elements: Int = 4,
        offset: Int = 0,
        shape: [Int] = [4],
        strides: [Int] = [1]
    ) -> [UInt8] {
        let reference =
            [UInt8(ascii: "(")] + self.text("storage") + self.global("torch", storage) + self.text(key)
            + self.text("cpu") + self.number(elements) + Array("tQ".utf8)
        let tensor =
            self.global("torch._utils", "_rebuild_tensor_v2") + [UInt8(ascii: "(")] + reference + self.number(offset)
            + self.tuple(shape) + self.tuple(strides) + [0x89] + self.global("collections", "OrderedDict")
            + Array(")RtR".utf8)
        return [0x80, 2] + Array("}".utf8) + self.text("w") + tensor + Array("s.".utf8)
    }

    private static func little(_ number: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt32(number).littleEndian) { Array($0) }
    }
}
