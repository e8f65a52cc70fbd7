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

    /// Why a folder with neither `tokenizer.json` nor `vocab.txt` cannot be used.
    func unsupported() -> TokenizerError {
        let others = ["vocab.json": "byte-level BPE", "spm.model": "SentencePiece", "spiece.model": "SentencePiece"]
        for (name, kind) in others.sorted(by: { $0.key < $1.key }) where self.existing(name) != nil {
            return TokenizerError(self.folder, "its \(name) is for a \(kind) tokenizer; only WordPiece is supported")
        }
        return TokenizerError(self.folder, "has neither tokenizer.json nor vocab.txt; is this a backbone's folder?")
    }
}
