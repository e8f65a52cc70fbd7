internal import Transport
internal import Wire

/// The coordinator's way to one worker: messages are put into a bounded queue, and a task of the connection sends them.
final class WorkerLink: Sendable {
    private let connection: Connection
    private let messages: AsyncStream<[CoordinatorMessage]>
    private let queue: AsyncStream<[CoordinatorMessage]>.Continuation

    /// A worker that leaves so many sendings unread is cut off.
    private static let queueLimit = 8192

    init(_ connection: Connection) {
        self.connection = connection
        (self.messages, self.queue) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.queueLimit))
    }

    var id: ObjectIdentifier { ObjectIdentifier(self) }

    /// Sends messages together: each write to a socket costs more than a message.
    func send(_ messages: [CoordinatorMessage]) {
        if case .dropped = self.queue.yield(messages) { self.connection.close() }
    }

    /// Sends at once what answers a worker's own request, so that it waits for its own network.
    func answer(_ message: CoordinatorMessage) async throws { try await self.connection.send(message.frame()) }

    /// Sends until the link is closed.
    func run() async {
        do {
            for await messages in self.messages { try await self.connection.send(messages.map { try $0.frame() }) }
            try await self.connection.finish()
        } catch {
            self.connection.close()
        }
    }

    /// Lets go of the worker once what was said before is sent.
    func close() { self.queue.finish() }

    /// Lets go of the worker at once: nothing more is sent to it or taken from it.
    func cut() {
        self.queue.finish()
        self.connection.close()
    }
}
