import NIOCore
import Synchronization
public import Wire

/// What bounds one connection.
public struct ConnectionLimits: Hashable, Sendable {
    /// How long until a name is resolved and a socket is open.
    public var connectSeconds: Double
    /// How long until both sides have proved themselves.
    public var handshakeSeconds: Double
    /// How long the other side may go without a whole frame. Heartbeats must come more often.
    public var idleSeconds: Double
    /// How many bytes of frames may wait for ``Connection/next()``; one read from the socket may go beyond.
    public var inboxBytes: Int

    public init(
        connectSeconds: Double = 10,
        handshakeSeconds: Double = 10,
        idleSeconds: Double = 60,
        inboxBytes: Int = 4 << 20
    ) {
        self.connectSeconds = connectSeconds
        self.handshakeSeconds = handshakeSeconds
        self.idleSeconds = idleSeconds
        self.inboxBytes = inboxBytes
    }
}

/// A connection to a peer that has proved who it is. Closes when its last owner lets go of it.
public final class Connection: Sendable, CustomStringConvertible {
    public let peer: Peer
    let stream: FrameStream

    init(_ stream: FrameStream, peer: Peer) {
        self.stream = stream
        self.peer = peer
    }

    /// The other side's address and port.
    public var address: String { self.stream.address }

    /// Name and address, for logs.
    public var description: String { "\(self.peer) at \(self.address)" }

    /// Sends a frame, and waits until the operating system has taken its last byte: that is the back-pressure.
    /// Frames of one task arrive in order; those of several tasks are never mixed into one another.
    ///
    /// A task that is cancelled meanwhile still waits; ``close()`` ends every wait.
    ///
    /// - Throws: `FrameError` where the frame is over the limit (nothing is sent and the connection goes on),
    ///   ``ConnectionError`` where the connection has ended.
    public func send(_ frame: Frame) async throws { try await self.stream.send(frame) }

    /// The same for several frames, with one write.
    public func send(_ frames: [Frame]) async throws { try await self.stream.send(frames) }

    /// The next frame, or nil when the other side has finished or this side closed. For one task at a time.
    ///
    /// - Throws: ``TLSError`` (refused, cut off), `FrameError` or ``ConnectionError`` where the connection failed;
    ///   `CancellationError` where the task was cancelled: the connection goes on.
    public func next() async throws -> Frame? { try await self.stream.next() }

    /// The frames that come, until the other side finishes. Leaving a loop early loses nothing: another loop, or
    /// ``next()``, goes on where it stopped.
    public var frames: Frames { Frames(stream: self.stream) }

    /// Says that no more frames will be sent; the other side can go on sending. All that was sent arrives before.
    public func finish() async throws { try await self.stream.finish() }

    /// Ends the connection at once, in both directions: waiting sends fail, frames that were not taken are thrown
    /// away, and ``frames`` ends. May be called from anywhere, and again.
    public func close() { self.stream.close() }

    /// Waits until the connection has ended, for whatever reason.
    public func waitUntilClosed() async { await self.stream.waitUntilClosed() }

    /// See ``Connection/frames``.
    public struct Frames: AsyncSequence, Sendable {
        fileprivate let stream: FrameStream

        public func makeAsyncIterator() -> Iterator { Iterator(stream: self.stream) }

        public struct Iterator: AsyncIteratorProtocol {
            fileprivate let stream: FrameStream

            public mutating func next() async throws -> Frame? { try await self.stream.next() }
        }
    }
}

/// A connection that ended, or that could not be made.
public struct ConnectionError: Error, Hashable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}

/// Frames over a channel, whoever the peer is.
final class FrameStream: Sendable {
    let address: String
    let channel: any Channel
    private let inbox: FrameInbox

    /// - Parameter address: the other side's; a channel forgets it when it closes.
    init(_ channel: any Channel, inbox: FrameInbox, address: String) {
        self.channel = channel
        self.inbox = inbox
        self.address = address
    }

    deinit { self.channel.close(promise: nil) }

    func send(_ frames: Frame...) async throws { try await self.send(frames) }

    func send(_ frames: [Frame]) async throws {
        var bytes = ByteBuffer()
        for frame in frames { try frame.encode(into: &bytes) }
        do {
            try await self.channel.writeAndFlush(bytes)
        } catch {
            throw self.explained(error)
        }
    }

    func next() async throws -> Frame? { try await self.inbox.next() }

    /// What the connection failed with, if it did.
    var failure: (any Error)? { self.inbox.failure }

    func finish() async throws {
        do {
            try await self.channel.close(mode: .output)
        } catch {
            throw self.explained(error)
        }
    }

    func close() {
        self.inbox.discard()
        self.channel.close(promise: nil)
    }

    func waitUntilClosed() async {
        // The future of a close never fails.
        try? await self.channel.closeFuture.get()
    }

    private func explained(_ error: any Error) -> any Error {
        switch error {
        case is TLSError, is FrameError, is ConnectionError: error
        case ChannelError.ioOnClosedChannel, ChannelError.alreadyClosed, ChannelError.eof:
            ConnectionError("the connection to \(self.address) has ended")
        case ChannelError.outputClosed:
            ConnectionError("the connection to \(self.address) was finished on this side")
        default: ConnectionError("the connection to \(self.address) failed: \(error)")
        }
    }

    /// `192.0.2.1:7461` or `[2001:db8::1]:7461`.
    static func text(_ address: SocketAddress) -> String {
        guard let host = address.ipAddress, let port = address.port else { return "\(address)" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
