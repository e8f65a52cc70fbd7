import Foundation

/// The files of one tokenizer's folder, read within limits.
struct TokenizerFiles {
    static let sizeLimitBytes = 64 << 20

    let folder: String

    /// The path of that file, if the folder has it.
    func existing(_ name: String) -> String? {
        let path = self.folder.hasSuffix("/") ? self.folder + name : "\(self.folder)/\(name)"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    func bytes(_ path: String) throws(TokenizerError) -> [UInt8] {
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            defer { try? file.close() }
            let data = try file.read(upToCount: Self.sizeLimitBytes + 1) ?? Data()
            if data.count <= Self.sizeLimitBytes { return [UInt8](data) }
        } catch {
            throw TokenizerError(path, "cannot be read: \(error.localizedDescription)")
        }
        throw TokenizerError(path, "is larger than \(Self.sizeLimitBytes) bytes; is this a tokenizer's file?")
    }

    func json(_ path: String) throws(TokenizerError) -> JSONValue {
        let bytes = try self.bytes(path)
        guard String(validating: bytes, as: UTF8.self) != nil else { throw TokenizerError(path, "is not UTF-8") }
        do {
            return try JSONValue(bytes)
        } catch {
            throw TokenizerError(path, "is no valid JSON at byte \(error.offset): \(error.reason)")
        }
    }

    /// The tokenizer that they describe: `tokenizer.json` comes first, since it leaves nothing to convention.
    func tokenizer() throws(TokenizerError) -> any Tokenizer {
        if let path = self.existing("tokenizer.json") {
            let file = try self.json(path)
            switch file["model"].map({ self.modelKind($0) }) {
            case nil: throw TokenizerError(path, "has no \"model\"")
            case "WordPiece": return try WordPieceTokenizer.parsing(file, path: path)
            case "BPE": return try BytePairTokenizer.parsing(file, path: path)
            case "Unigram": return try UnigramTokenizer.parsing(file, path: path)
            case let kind?:
                throw TokenizerError(path, "its model is \(kind); only WordPiece, BPE and Unigram are supported")
            }
        }
        let configuration = try self.existing("tokenizer_config.json").map { path throws(TokenizerError) in
            try self.json(path)
        }
        if let path = self.existing("vocab.txt") {
            let lines = try self.bytes(path)
            return try WordPieceTokenizer.parsing(vocabulary: lines, path: path, configuration: configuration)
        }
        if let path = self.existing("spm.model") {
            return try UnigramTokenizer.parsing(model: try self.bytes(path), path: path, configuration: configuration)
        }
        switch (self.existing("vocab.json"), self.existing("merges.txt")) {
        case (let path?, let mergesPath?):
            return try BytePairTokenizer.parsing(
                vocabulary: try self.json(path),
                path: path,
                merges: try self.bytes(mergesPath),
                mergesPath: mergesPath,
                configuration: configuration
            )
        case (_?, nil): throw TokenizerError(self.folder, "has vocab.json, but no merges.txt; it needs both")
        case (nil, _?): throw TokenizerError(self.folder, "has merges.txt, but no vocab.json; it needs both")
        case (nil, nil):
            throw TokenizerError(
                self.folder,
                "has neither tokenizer.json, vocab.txt, vocab.json with merges.txt nor spm.model; is this a "
                    + "backbone's folder?"
            )
        }
    }

    /// Old files do not name a model of which the fields tell.
    private func modelKind(_ model: JSONValue) -> String {
        if let kind = model["type"]?.text { return kind }
        if model["merges"] != nil { return "BPE" }
        if model["unk_id"] != nil { return "Unigram" }
        return model["max_input_chars_per_word"] == nil ? "of no type" : "WordPiece"
    }
}
