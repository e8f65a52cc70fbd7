import NIOCore
import Wire

/// Cuts the plain bytes of a channel into frames, puts them into an inbox, and watches for silence.
///
/// Stops the channel's reads while the inbox is full. Stands behind a ``TLSHandler``, whose reads during the handshake
/// it lets pass.
final class FrameHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let inbox: FrameInbox
    private let idleSeconds: Double
    /// Told once: the handshake, or why there was none.
    private let onHandshake: (Result<TLSHandshake, any Error>) -> Void
    private var decoder: FrameDecoder
    private var wasTold = false
    private var isPaused = false
    private var wantsRead = false
    private var lastFrame = NIODeadline.now()
    private var idleTimer: Scheduled<Void>?

    init(
        inbox: FrameInbox,
        limits: ConnectionLimits,
        payloadBytesLimit: Int = Limits.framePayloadBytes,
        onHandshake: @escaping (Result<TLSHandshake, any Error>) -> Void
    ) {
        self.inbox = inbox
        self.idleSeconds = limits.idleSeconds
        self.decoder = FrameDecoder(payloadBytesLimit: payloadBytesLimit)
        self.onHandshake = onHandshake
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        self.inbox.onRoom {
            eventLoop.execute {
                let (handler, context) = bound.value
                handler.resume(context)
            }
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.idleTimer?.cancel()
        self.tell(.failure(ChannelError.ioOnClosedChannel))
        self.inbox.end()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let handshake as TLSHandshake:
            if handshake.applicationProtocol == TLSContext.enrolmentProtocol {
                self.decoder = FrameDecoder(payloadBytesLimit: Enrolment.payloadBytesLimit)
            }
            self.lastFrame = .now()
            self.watchForSilence(context)
            self.tell(.success(handshake))
        case ChannelEvent.inputClosed: self.inputEnded(context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.decoder.append(self.unwrapInboundIn(data))
        var frames: [Frame] = []
        var failure: FrameError?
        do throws(FrameError) {
            while let frame = try self.decoder.next() { frames.append(frame) }
        } catch {
            failure = error
        }
        if !frames.isEmpty {
            self.lastFrame = .now()
            if !self.inbox.offer(frames) { self.isPaused = true }
        }
        if let failure { self.fail(context, failure) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.tell(.failure(TLSError(.endedInHandshake)))
        self.inbox.end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.tell(.failure(error))
        // The handler of TLS closes after an error of its own, when the other side has read of it.
        if error is TLSError { self.inbox.end(error) } else { self.fail(context, error) }
    }

    // MARK: Back-pressure

    func read(context: ChannelHandlerContext) {
        if self.isPaused { self.wantsRead = true } else { context.read() }
    }

    private func resume(_ context: ChannelHandlerContext) {
        guard self.isPaused else { return }
        self.isPaused = false
        self.lastFrame = .now()
        if self.wantsRead {
            self.wantsRead = false
            context.read()
        }
    }

    // MARK: Ends

    private func inputEnded(_ context: ChannelHandlerContext) {
        if self.decoder.pendingBytes > 0 {
            self.fail(context, TLSError(.truncated))
        } else {
            self.inbox.end()
        }
    }

    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        self.inbox.end(error)
        context.close(promise: nil)
    }

    private func tell(_ result: Result<TLSHandshake, any Error>) {
        guard !self.wasTold else { return }
        self.wasTold = true
        self.onHandshake(result)
    }

    /// Only whole frames break a silence: bytes that trickle in would hold a connection for ever. Silence while the
    /// inbox is full is ours, not the other side's.
    private func watchForSilence(_ context: ChannelHandlerContext) {
        let limit = TimeAmount.nanoseconds(Int64(self.idleSeconds * 1e9))
        let deadline = (self.isPaused ? .now() : self.lastFrame) + limit
        self.idleTimer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            if !self.isPaused, self.lastFrame + limit <= .now() {
                self.fail(context, ConnectionError("nothing was heard from it for \(self.idleSeconds) s"))
            } else {
                self.watchForSilence(context)
            }
        }
    }
}
