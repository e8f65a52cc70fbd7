import Digests
import Foundation

/// What was fetched, written down beside the entry's folder (and not inside, where it would be part of the backbone).
struct DigestRecord: Codable, Hashable {
    /// Where the finished files came from.
    var source: String
    /// Of the finished files, by name: to see whether they are still what was fetched.
    var finished: [String: Digest]
    /// By source, of the raw files whose digests the catalogue does not know: the next fetch from there compares.
    var raw: [String: [String: Digest]]

    private static let bytesLimit = 1 << 20

    /// Nil where there is none.
    ///
    /// - Throws: ``FetchError`` where it cannot be read.
    init?(at place: URL) throws(FetchError) {
        guard FileManager.default.fileExists(atPath: place.path) else { return nil }
        do {
            let handle = try FileHandle(forReadingFrom: place)
            defer { try? handle.close() }
            let data = try handle.read(upToCount: Self.bytesLimit) ?? Data()
            self = try JSONDecoder().decode(DigestRecord.self, from: data)
        } catch {
            throw FetchError("\(place.path) is damaged: remove it, and the next fetch writes it anew")
        }
    }

    init(source: String, finished: [String: Digest], raw: [String: [String: Digest]]) {
        self.source = source
        self.finished = finished
        self.raw = raw
    }

    func save(at place: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: place, options: .atomic)
    }
}
