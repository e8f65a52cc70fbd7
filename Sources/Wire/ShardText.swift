public import Digests
internal import Foundation
public import Sweeps

/// A shard as JSON text: the coordinator passes on what its store holds without reading it.
public struct ShardText: Hashable, Sendable {
    public let text: String

    public init(text: String) { self.text = text }

    public init(_ shard: Shard) throws {
        self.text = String(decoding: try Frame.json(shard), as: UTF8.self)
    }

    /// The shard, which must be the one of this key.
    ///
    /// - Throws: ``MessageError`` where it is none, or another.
    public func shard(of key: ShardKey) throws(MessageError) -> Shard {
        guard let shard = try? JSONDecoder().decode(Shard.self, from: Data(self.text.utf8)) else {
            throw MessageError("shard \(key.short) came as no shard: run the same quintet on both sides")
        }
        guard shard.key == key else {
            throw MessageError("the coordinator granted shard \(key.short) and sent \(shard.key.short)")
        }
        return shard
    }
}

extension ShardText: Codable {
    public init(from decoder: any Decoder) throws {
        self.text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.text)
    }
}
