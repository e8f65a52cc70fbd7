/// Limits of what crosses the wire; each carries its unit in its name.
public enum Limits {
    /// The most payload that one frame may hold: a megabyte, so that a chunk of a blob never keeps a heartbeat waiting
    /// for more than some milliseconds.
    public static let framePayloadBytes = 1 << 20

    /// A whole frame: header and payload.
    public static let frameBytes = framePayloadBytes + Frame.headerBytes
}
