public import Foundation

/// The folder that backbones and data are brought into.
///
///     CACHE/backbones/NAME/…
///     CACHE/data/NAME/…
///
/// A person may fill it by hand too: a folder that is there is used, whoever made it.
public struct Cache: Hashable, Sendable {
    /// What an entry is, and where it lives.
    public enum Kind: String, CaseIterable, Sendable {
        case backbone = "backbones"
        case data
    }

    public let folder: URL

    public init(folder: URL) { self.folder = folder }

    /// `$QUINTET_CACHE`, or `~/.cache/quintet`.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        if let path = environment["QUINTET_CACHE"], !path.isEmpty {
            self.init(folder: URL(fileURLWithPath: path, isDirectory: true))
        } else {
            let home = environment["HOME"].map { URL(fileURLWithPath: $0, isDirectory: true) }
            self.init(
                folder: (home ?? FileManager.default.homeDirectoryForCurrentUser)
                    .appendingPathComponent(".cache/quintet", isDirectory: true)
            )
        }
    }

    /// Where an entry lives, whether it is there or not.
    public func place(of name: String, kind: Kind) -> URL {
        self.kindFolder(kind).appendingPathComponent(name, isDirectory: true)
    }

    /// The folder of what is in the cache, or nil: `CACHE/KIND/NAME`, and for data as the official archives unpack
    /// also `CACHE/data/glue/NAME` and `CACHE/data/superglue/NAME`.
    ///
    /// A name that is no plain file name (a path, say) is in no cache.
    public func cachedFolder(for name: String, kind: Kind) -> URL? {
        guard Self.isPlain(name) else { return nil }
        var candidates = [self.place(of: name, kind: kind)]
        if kind == .data {
            for collection in ["glue", "superglue"] {
                candidates.append(
                    self.kindFolder(kind).appendingPathComponent("\(collection)/\(name)", isDirectory: true)
                )
            }
        }
        return candidates.first { candidate in
            let content = try? FileManager.default.contentsOfDirectory(atPath: candidate.path)
            return content?.isEmpty == false
        }
    }

    func kindFolder(_ kind: Kind) -> URL {
        self.folder.appendingPathComponent(kind.rawValue, isDirectory: true)
    }

    static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 128 && !name.hasPrefix(".") && !name.contains("/") && !name.contains("\0")
    }
}
