/// Something that could not be fetched, and why.
public struct FetchError: Error, Hashable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}

/// What happens during a fetch, for a progress display.
public enum FetchEvent: Hashable, Sendable {
    /// It is in the cache already, whole and unchanged.
    case present(name: String)
    /// A source is tried.
    case trying(name: String, source: String)
    /// Bytes of a file have come; the total is nil where the source does not say.
    case progress(file: String, bytes: Int64, total: Int64?)
    /// A source could not deliver; the next one is tried.
    case failed(name: String, source: String, reason: String)
    /// The digest of a file was not known. It is written down now, and later fetches from this source compare.
    case recorded(file: String, source: String, digest: String)
    /// It is in the cache now.
    case fetched(name: String, source: String)
}
