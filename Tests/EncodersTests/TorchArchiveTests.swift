import TestSupport
import Testing

@testable import Encoders

@Suite struct TorchArchiveTests {
    private func converted(_ archive: TorchArchive) throws -> Safetensors {
        var bytes: [UInt8] = []
        try archive.convert { bytes.append(contentsOf: $0) }
        return try Safetensors(path: "f", bytes: bytes)
    }

    private func problem(_ bytes: [UInt8]) -> String {
        do {
            _ = try TorchArchive(path: "f", bytes: bytes)
            return "accepted"
        } catch { return "\(error)" }
    }

    /// Goal: every value arrives as torch reads it.
    /// Method: an archive and a safetensors file of the same state dict, both made by torch; converted and in place.
    @Test func `a state dict is read as torch reads it`() throws {
        let archive = try TorchArchive(path: "f", bytes: TorchArchives.golden("half"))
        let converted = try self.converted(archive)
        let expected = try Safetensors(path: TorchArchives.folder + "/torch-half.safetensors")
        #expect(Set(converted.tensors.keys) == Set(expected.tensors.keys))
        for (name, tensor) in expected.tensors {
            #expect(converted.tensors[name]?.shape == tensor.shape, "\(name)")
            #expect(converted.tensors[name]?.type == tensor.type, "\(name)")
            guard tensor.type == .f32 else { continue }
            let (ours, theirs) = (try converted.floats(name), try expected.floats(name))
            #expect(ours.map(\.bitPattern) == theirs.map(\.bitPattern), "\(name)")
            var copied = [Float](repeating: .nan, count: tensor.count)
            copied.withUnsafeMutableBufferPointer { archive.copyFloats(name, into: $0) }
            #expect(copied.map(\.bitPattern) == theirs.map(\.bitPattern), "\(name)")
            if let inPlace = archive.floats(name) { #expect(inPlace.map(\.bitPattern) == copied.map(\.bitPattern)) }
        }
        #expect(archive.names.contains { archive.type($0) == .f16 && archive.floats($0) == nil })
        #expect(converted.tensors["ids"]?.type == .i64)
    }

    /// Goal: nothing but tensors can be asked for, and what was asked for is told.
    @Test func `what is no state dict of tensors is refused by name`() throws {
        let cases: [(String, String)] = [
            ("system", "posix.system"), ("nested", "\"model\" is a dictionary, not a tensor"),
            ("parameter", "torch._utils._rebuild_parameter"), ("legacy", "no zip archive"),
        ]
        for (name, reason) in cases {
            let message = try self.problem(TorchArchives.golden(name))
            #expect(message.contains(reason), "\(name): \(message)")
        }
    }

    @Test func `operations and classes beyond a state dict's are refused by name`() {
        let cases: [(String, [UInt8], String)] = [
            ("a class", TorchArchives.global("builtins", "eval") + Array(".".utf8), "builtins.eval"),
            ("a class by stack", Array("\u{8C}\u{02}os".utf8), "0xc2"),
            ("old instances", Array("(ios\nsystem\n.".utf8), "0x69"),
            ("new objects", Array("}})".utf8) + [0x81], "0x81"), ("extensions", [0x82, 1], "0x82"),
            ("protocol 4", [0x80, 4], "protocol 4"), ("a set", [0x8F], "0x8f"),
            ("numbers in text", Array("I1\n.".utf8), "0x49"),
            (
                "OrderedDict with arguments",
                TorchArchives.global("collections", "OrderedDict") + Array("N".utf8) + [0x85] + Array("R".utf8),
                "with arguments"
            ),
            ("a call of a text", TorchArchives.text("x") + Array(")R".utf8), "a text is called"),
            (
                "a storage that is called", TorchArchives.global("torch", "FloatStorage") + Array(")R".utf8),
                "called as a function"
            ),
            ("an empty pickle", [], "ends in the middle"), ("no values", Array(".".utf8), "a value that is not there"),
            ("nothing memorised", Array("h\u{07}".utf8), "memorised as 7"), ("no dictionary", Array("N.".utf8), "None"),
            ("a key that is no text", Array("}NNs.".utf8), "a key of the dictionary is None"),
            ("a text over the end", Array("X\u{7F}\u{7F}\u{7F}\u{7F}".utf8), "ends in the middle"),
            ("a class without end", [UInt8(ascii: "c")] + [UInt8](repeating: 97, count: 5000), "has no end"),
        ]
        for (name, pickle, reason) in cases {
            let message = self.problem(TorchArchives.archive(pickle))
            #expect(message.contains(reason), "\(name): \(message)")
        }
    }

    @Test func `tensors outside their storage are refused`() {
        #expect(self.problem(TorchArchives.archive(TorchArchives.pickle())) == "accepted")
        #expect(self.problem(TorchArchives.archive(TorchArchives.pickle(shape: [], strides: []))) == "accepted")
        let huge = Int.max
        let cases: [([UInt8], String)] = [
            (TorchArchives.pickle(key: "1"), "which is not there"),
            (TorchArchives.pickle(key: "../0"), "which is not there"),
            (TorchArchives.pickle(elements: 5), "has 16 bytes"), (TorchArchives.pickle(elements: huge), "has 16 bytes"),
            (TorchArchives.pickle(elements: -1), "no storage"),
            (TorchArchives.pickle(offset: 1), "outside its storage"),
            (TorchArchives.pickle(offset: -1), "the strides"), (TorchArchives.pickle(offset: huge), "the strides"),
            (TorchArchives.pickle(shape: [-4]), "the strides"), (TorchArchives.pickle(strides: [-1]), "the strides"),
            (TorchArchives.pickle(strides: [2]), "outside its storage"),
            (TorchArchives.pickle(strides: [huge]), "the strides"),
            (TorchArchives.pickle(shape: [1 << 40], strides: [0]), "outside its storage"),
            (TorchArchives.pickle(shape: [1 << 40, 1 << 40], strides: [0, 0]), "the strides"),
            (TorchArchives.pickle(shape: [2, 2]), "the strides"),
            (TorchArchives.pickle(storage: "QInt8Storage"), "torch.QInt8Storage"),
            (
                TorchArchives.pickle(shape: .init(repeating: 1, count: 9), strides: .init(repeating: 1, count: 9)),
                "at most 8"
            ),
        ]
        for (pickle, reason) in cases {
            let message = self.problem(TorchArchives.archive(pickle))
            #expect(message.contains(reason), "\(reason): \(message)")
        }
    }

    /// Goal: no pickle costs more than its bytes: not one that nests, refers to itself, or multiplies what it has.
    @Test func `pickles that nest, hold themselves or multiply end as errors`() {
        let nested = Array("N".utf8) + [UInt8](repeating: 0x85, count: 200_000) + Array(".".utf8)
        #expect(self.problem(TorchArchives.archive(nested)).contains("a tuple"))
        let itself = Array("}q\u{00}X\u{01}\u{00}\u{00}\u{00}ah\u{00}s.".utf8)
        #expect(self.problem(TorchArchives.archive(itself)).contains("\"a\" is a dictionary"))
        let twice =
            Array("Nq\u{00}".utf8)
            + (0..<60).flatMap { _ in Array("h\u{00}h\u{00}".utf8) + [0x86] + Array("q\u{00}".utf8) }
        #expect(self.problem(TorchArchives.archive(twice + Array(".".utf8))).contains("a tuple"))
        let endless = [UInt8](repeating: UInt8(ascii: "N"), count: 5_000_000)
        #expect(self.problem(TorchArchives.archive(endless)).contains("operations"))
        let large = [UInt8](repeating: UInt8(ascii: "N"), count: 20_000_000)
        #expect(self.problem(TorchArchives.archive(large)).contains("the limit is"))
    }

    @Test func `archives that torch does not write are refused`() throws {
        let pickle = TorchArchives.pickle()
        let inner = TorchArchives.archive(pickle)
        let cases: [([UInt8], String)] = [
            (TorchArchives.zip([("a/data.pkl", pickle)], method: 8), "compressed"),
            (TorchArchives.zip([]), "0 entries"),
            (TorchArchives.zip([("a/inner.zip", inner)]), "0 entries"),
            (TorchArchives.zip([("a/data.pkl", pickle), ("b/data.pkl", pickle)]), "2 entries"),
            (TorchArchives.zip([("a/data.pkl", pickle), ("a/data.pkl", pickle)]), "twice"),
            (TorchArchives.zip([("a/data.pkl", pickle), ("a/byteorder", Array("big".utf8))]), "little-endian"),
            (Array(inner.dropLast()), "without its end"), ([], "no zip archive"), (Array(inner[40...]), "damaged"),
        ]
        for (bytes, reason) in cases {
            let message = self.problem(bytes)
            #expect(message.contains(reason), "\(reason): \(message)")
        }
    }

    @Test func `an archive over four gibibytes has its numbers elsewhere`() throws {
        let archive = TorchArchives.archive(TorchArchives.pickle(), isLarge: true)
        #expect(try TorchArchive(path: "f", bytes: archive).shape("w") == [4])
    }

    /// Goal: whatever an archive says, it is read inside its bytes or refused with a ``BackboneError``.
    @Test(.timeLimit(.minutes(60))) func `damaged archives`() async throws {
        let valid = [
            try TorchArchives.golden("half"), TorchArchives.archive(TorchArchives.pickle()),
            TorchArchives.archive(TorchArchives.pickle(shape: [2, 2], strides: [1, 2])),
            try TorchArchives.golden("system"),
            TorchArchives.archive(TorchArchives.pickle(), isLarge: true),
        ]
        let report = try await Fuzzing("PyTorch archives").run(valid) { input, _ in
            do {
                let archive = try TorchArchive(path: "f", bytes: input)
                let file = try self.converted(archive)
                for name in archive.names where archive.type(name).isFractional {
                    var values = [Float](repeating: 0, count: archive.shape(name).reduce(1, *))
                    values.withUnsafeMutableBufferPointer { archive.copyFloats(name, into: $0) }
                    let same = try file.floats(name).elementsEqual(values) { $0.bitPattern == $1.bitPattern }
                    precondition(same, "\(name) is converted to other numbers than it has")
                    _ = archive.floats(name)?.last
                }
                return .accepted
            } catch is BackboneError {
                return .refused
            }
        }
        print(report)
        #expect(report.accepted > 0 && report.refused > 0, "\(report)")
    }
}
