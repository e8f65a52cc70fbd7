import NIOCore
import NIOHTTP1
import NIOPosix

/// One request and its response, on a connection of its own.
enum HTTPSExchange {
    typealias Body = NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator

    /// Sends a GET and hands the response to `use`: its head, and its body as it comes (ends with an `.end` part).
    ///
    /// - Throws: ``HTTPSError``, which names the address; and what `use` throws.
    static func get<Outcome: Sendable>(
        _ address: HTTPSAddress,
        headers: [(String, String)],
        rootsFile: String?,
        limits: HTTPSClient.Limits,
        use: (HTTPResponseHead, inout Body) async throws -> Outcome
    ) async throws -> Outcome {
        let (channel, handshake) = try await self.connect(address, rootsFile: rootsFile, limits: limits)
        do {
            return try await channel.executeThenClose { inbound, outbound in
                _ = try await handshake.get()
                var body = inbound.makeAsyncIterator()
                do {
                    // In one write: a server may answer the head and close before a second one is made.
                    try await outbound.write(contentsOf: [.head(self.head(address, headers)), .end(nil)])
                } catch let error as ChannelError {
                    // The connection has ended; the reading side knows why.
                    while try await body.next() != nil {}
                    throw error
                }
                guard case .head(let head) = try await self.firstPart(&body) else {
                    throw HTTPSError("\(address.authority) answered nothing")
                }
                return try await use(head, &body)
            }
        } catch let error as HTTPSError {
            throw error
        } catch let error as TLSError where error.reason == .truncated {
            throw HTTPSError("\(address.authority) cut the connection off before the end")
        } catch let error as TLSError {
            throw HTTPSError("cannot trust \(address.authority): \(error)")
        } catch let error as HTTPParserError {
            let isCut = error == .invalidEOFState
            throw HTTPSError(
                "\(address.authority) \(isCut ? "ended before the whole file" : "speaks no HTTP: \(error)")"
            )
        } catch let error as IOError {
            throw HTTPSError("the connection to \(address.authority) broke: \(Dialer.reason(error))")
        } catch let error as ChannelError {
            throw HTTPSError("the connection to \(address.authority) broke: \(error)")
        }
    }

    /// The head of the final response: those of the 100 kind come before it.
    private static func firstPart(_ body: inout Body) async throws -> HTTPClientResponsePart? {
        while let part = try await body.next() {
            if case .head(let head) = part, (100..<200).contains(head.status.code) { continue }
            if case .end = part { continue }
            return part
        }
        return nil
    }

    private static func head(_ address: HTTPSAddress, _ more: [(String, String)]) -> HTTPRequestHead {
        var headers = HTTPHeaders([
            ("Host", address.authority), ("User-Agent", "quintet"), ("Accept", "*/*"),
            ("Accept-Encoding", "identity"), ("Connection", "close"),
        ])
        headers.add(contentsOf: more)
        return HTTPRequestHead(version: .http1_1, method: .GET, uri: address.target, headers: headers)
    }

    private typealias WebChannel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    private static func connect(
        _ address: HTTPSAddress,
        rootsFile: String?,
        limits: HTTPSClient.Limits
    ) async throws -> (WebChannel, EventLoopFuture<TLSHandshake>) {
        let context: TLSContext
        do {
            context = try TLSContext.web(host: address.host, rootsFile: rootsFile)
        } catch {
            throw HTTPSError("cannot check certificates: \(error)")
        }
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.nanoseconds(Int64(limits.connectSeconds * 1e9)))
        do {
            return try await bootstrap.connect(host: address.host, port: address.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let promise = channel.eventLoop.makePromise(of: TLSHandshake.self)
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        TLSHandler(TLSSession(context), handshakeSeconds: limits.connectSeconds)
                    )
                    try pipeline.addHandler(
                        IdleStateHandler(readTimeout: .nanoseconds(Int64(limits.idleSeconds * 1e9)))
                    )
                    try pipeline.addHandler(WebHandler(idleSeconds: limits.idleSeconds, handshake: promise))
                    try pipeline.addHandler(HTTPRequestEncoder())
                    try pipeline.addHandler(ByteToMessageHandler(HTTPResponseDecoder()))
                    let channel = try WebChannel(wrappingChannelSynchronously: channel)
                    return (channel, promise.futureResult)
                }
            }
        } catch {
            throw HTTPSError("cannot reach \(address.authority): \(Dialer.reason(error))")
        }
    }
}

/// Reports the end of the handshake, and ends a connection that has gone silent.
private final class WebHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let idleSeconds: Double
    private var handshake: EventLoopPromise<TLSHandshake>?

    init(idleSeconds: Double, handshake: EventLoopPromise<TLSHandshake>) {
        self.idleSeconds = idleSeconds
        self.handshake = handshake
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let handshake as TLSHandshake: self.handshake.take()?.succeed(handshake)
        case is IdleStateHandler.IdleStateEvent:
            self.errorCaught(context: context, error: HTTPSError("the server sent nothing for \(self.idleSeconds) s"))
            context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.handshake.take()?.fail(error)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.handshake.take()?.fail(TLSError(.endedInHandshake))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.handshake.take()?.fail(TLSError(.endedInHandshake))
    }
}
