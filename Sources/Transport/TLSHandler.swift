import NIOCore

/// What a TLS handshake proved; sent down the pipeline as a user event before the first decrypted byte.
struct TLSHandshake: Sendable {
    /// Nil on the web and while a machine enrols.
    var peer: Peer?
    var applicationProtocol: String
}

/// TLS as a channel handler: encrypted bytes on the network's side, plain ones on the application's.
///
///     handshaking ──done──▶ open ──own goodbye──▶ outputEnded ──their goodbye──▶ closed
///          │                  │                        │
///          └──────failure─────┴──────▶ lingering ◀─────┘──after an answer or a second──▶ closed
///
/// Back-pressure passes through: it reads only when the pipeline reads and holds no plain bytes back; of plain bytes
/// to send it holds only those that were written before the handshake was done.
///
/// Half-closing ends our side with TLS's goodbye and leaves the socket whole, so that the other side can go on.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State: Equatable {
        /// The handshake moves it on; the timer ends it.
        case handshaking
        /// Either side's goodbye or a failure moves it on.
        case open
        /// We said goodbye. Theirs ends the connection; the application's idle limit does where it never comes.
        case outputEnded
        /// It failed and the other side was told. Its bytes are thrown away for a moment: to close with bytes unread
        /// would reset the connection, and the other side would never read why.
        case lingering
        case closed
    }

    private static let lingerTime = TimeAmount.seconds(1)
    private static let lingerBytesLimit = 4 << 20
    /// Answers to key updates and the like that the other side never reads.
    private static let unreadAnswerBytesLimit = 256 << 10

    private let session: TLSSession
    private let handshakeSeconds: Double
    private var state = State.handshaking
    private var hasInputEnded = false
    private var waiting = MarkedCircularBuffer<(ByteBuffer, EventLoopPromise<Void>?)>(initialCapacity: 4)
    private var timer: Scheduled<Void>?
    private var lingeredBytes = 0
    private var unreadAnswerBytes = 0

    init(_ session: TLSSession, handshakeSeconds: Double) {
        self.session = session
        self.handshakeSeconds = handshakeSeconds
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.start(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.start(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch self.state {
        case .handshaking: context.fireErrorCaught(TLSError(.endedInHandshake))
        case .open, .outputEnded:
            if !self.hasInputEnded { context.fireErrorCaught(TLSError(.truncated)) }
        case .lingering, .closed: break
        }
        self.end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.end() }

    private func start(_ context: ChannelHandlerContext) {
        guard self.state == .handshaking, self.timer == nil else { return }
        let seconds = self.handshakeSeconds
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(seconds * 1e9))) {
            guard self.state == .handshaking else { return }
            self.state = .closed
            context.fireErrorCaught(TLSError(.handshakeTimeout(seconds: seconds)))
            self.end()
            context.close(promise: nil)
        }
        self.advance(context)
    }

    private func end() {
        self.state = .closed
        self.timer?.cancel()
        self.timer = nil
        self.failWaiting(ChannelError.ioOnClosedChannel)
    }

    private func failWaiting(_ error: any Error) {
        while let (_, promise) = self.waiting.popFirst() { promise?.fail(error) }
    }

    // MARK: In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = self.unwrapInboundIn(data)
        switch self.state {
        case .handshaking, .open, .outputEnded:
            self.session.feed(bytes)
            self.advance(context)
        case .lingering:
            self.lingeredBytes += bytes.readableBytes
            if self.lingeredBytes > Self.lingerBytesLimit { self.closeNow(context) }
        case .closed: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.unreadAnswerBytes = 0 }
        context.fireChannelWritabilityChanged()
    }

    /// Goes as far as the bytes at hand allow.
    private func advance(_ context: ChannelHandlerContext) {
        if self.state == .handshaking {
            switch self.session.handshake() {
            case .done: self.open(context)
            case .wantsInput: break
            case .inputEnded: self.fail(context, TLSError(.endedInHandshake))
            case .failed(let error): self.fail(context, error)
            }
            self.carryOutput(context)
        }
        if self.state == .open || self.state == .outputEnded { self.readPlain(context) }
    }

    private func open(_ context: ChannelHandlerContext) {
        do {
            let handshake = TLSHandshake(
                peer: try self.session.identifyPeer(),
                applicationProtocol: self.session.applicationProtocol
            )
            self.carryOutput(context)
            self.state = .open
            self.timer?.cancel()
            self.timer = nil
            context.fireUserInboundEventTriggered(handshake)
            if self.state == .open { self.encryptMarked(context) }
        } catch {
            self.carryOutput(context)
            self.fail(context, error)
        }
    }

    private func readPlain(_ context: ChannelHandlerContext) {
        var plain = context.channel.allocator.buffer(capacity: 64 << 10)
        var ending: TLSSession.Step?
        reading: while !self.hasInputEnded {
            switch self.session.read(into: &plain) {
            case .done: continue
            case .wantsInput: break reading
            case let step:
                ending = step
                break reading
            }
        }
        // Reading may answer: a key update does.
        let answerBytes = self.session.outputBytes
        self.carryOutput(context)
        if !context.channel.isWritable { self.unreadAnswerBytes += answerBytes }
        if plain.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(plain)) }
        guard self.state == .open || self.state == .outputEnded else { return }
        if case .failed(let error) = ending {
            self.fail(context, error)
        } else if self.unreadAnswerBytes > Self.unreadAnswerBytesLimit {
            self.fail(context, TLSError(.violation("it asks for answers and reads none")))
        } else if case .inputEnded = ending {
            self.hasInputEnded = true
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            if self.state == .outputEnded { self.closeNow(context) }
        }
    }

    /// The handshake or the stream is broken: tell both sides, then linger.
    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        guard self.state != .lingering, self.state != .closed else { return }
        self.state = .lingering
        self.carryOutput(context)
        self.timer?.cancel()
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingerTime) { self.closeNow(context) }
        self.failWaiting(error)
        context.close(mode: .output, promise: nil)
        context.fireErrorCaught(error)
    }

    private func closeNow(_ context: ChannelHandlerContext) {
        guard self.state != .closed else { return }
        self.end()
        context.close(promise: nil)
    }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.state {
        case .handshaking, .open: self.waiting.append((self.unwrapOutboundIn(data), promise))
        case .outputEnded: promise?.fail(ChannelError.outputClosed)
        case .lingering, .closed: promise?.fail(ChannelError.ioOnClosedChannel)
        }
    }

    func flush(context: ChannelHandlerContext) {
        self.waiting.mark()
        if self.state == .open { self.encryptMarked(context) }
    }

    private func encryptMarked(_ context: ChannelHandlerContext) {
        while self.state == .open, self.waiting.hasMark, let (plain, promise) = self.waiting.popFirst() {
            // Each record of 16 KiB grows by 22 bytes.
            let capacity = plain.readableBytes + plain.readableBytes / 512 + 64
            var encrypted = context.channel.allocator.buffer(capacity: capacity)
            switch self.session.write(plain, into: &encrypted) {
            case .done: context.write(self.wrapOutboundOut(encrypted), promise: promise)
            case .failed(let error):
                promise?.fail(error)
                self.fail(context, error)
            case .wantsInput, .inputEnded: preconditionFailure("TLS 1.3 writes whenever it is asked to")
            }
        }
        context.flush()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (mode, self.state) {
        case (.input, _): promise?.fail(ChannelError.operationUnsupported)
        case (.output, .open):
            self.encryptMarked(context)
            self.session.sayGoodbye()
            self.state = .outputEnded
            self.failWaiting(ChannelError.outputClosed)
            self.carryOutput(context, promise: promise)
            if self.hasInputEnded { self.closeNow(context) }
        case (.output, _): promise?.fail(ChannelError.outputClosed)
        case (.all, .open):
            self.session.sayGoodbye()
            self.carryOutput(context)
            self.end()
            context.close(promise: promise)
        case (.all, _):
            self.end()
            context.close(promise: promise)
        }
    }

    private func carryOutput(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>? = nil) {
        let count = self.session.outputBytes
        guard count > 0 else {
            promise?.succeed()
            return
        }
        var buffer = context.channel.allocator.buffer(capacity: count)
        self.session.drain(into: &buffer)
        context.writeAndFlush(self.wrapOutboundOut(buffer), promise: promise)
    }
}
