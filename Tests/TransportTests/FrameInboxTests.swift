import NIOCore
import Synchronization
import Testing
import Wire

@testable import Transport

@Suite(.timeLimit(.minutes(5))) struct FrameInboxTests {
    private func frame(_ kind: UInt8, _ count: Int) -> Frame {
        Frame(kind: kind, payload: [UInt8](repeating: 0, count: count))
    }

    /// Goal: the event loop is told to stop above the limit, and to go on once, at half of it.
    @Test func `it says when it is full and when there is room again`() async throws {
        let inbox = FrameInbox(bytesLimit: 1000)
        let calls = Mutex(0)
        inbox.onRoom { calls.withLock { $0 += 1 } }
        #expect(inbox.offer([self.frame(1, 400)]))
        #expect(!inbox.offer([self.frame(2, 400), self.frame(3, 400)]))
        #expect(try await inbox.next()?.kind == 1)
        #expect(calls.withLock { $0 } == 0)
        #expect(try await inbox.next()?.kind == 2)
        #expect(calls.withLock { $0 } == 1)
        #expect(try await inbox.next()?.kind == 3)
        #expect(calls.withLock { $0 } == 1)
    }

    @Test func `small frames have their cost too`() {
        let inbox = FrameInbox(bytesLimit: 1000)
        #expect(!inbox.offer([Frame](repeating: self.frame(1, 0), count: 100)))
    }

    @Test func `frames come before the end, and the end stays`() async throws {
        let inbox = FrameInbox(bytesLimit: 1000)
        _ = inbox.offer([self.frame(1, 0)])
        inbox.end(TLSError(.truncated))
        inbox.end()
        #expect(inbox.offer([self.frame(2, 0)]))
        #expect(try await inbox.next()?.kind == 1)
        for _ in 0..<2 { await #expect(throws: TLSError(.truncated)) { try await inbox.next() } }
    }

    /// Goal: a banned peer's frames are gone with its connection, also those that came before and wait.
    @Test func `throwing away leaves nothing`() async throws {
        let inbox = FrameInbox(bytesLimit: 1000)
        _ = inbox.offer([self.frame(1, 0)])
        inbox.discard()
        _ = inbox.offer([self.frame(2, 0)])
        #expect(try await inbox.next() == nil)
    }

    @Test func `throwing away wakes who waits`() async throws {
        let inbox = FrameInbox(bytesLimit: 1000)
        async let waiting = inbox.next()
        inbox.discard()
        #expect(try await waiting == nil)
        #expect(try await inbox.next() == nil)
    }
}
