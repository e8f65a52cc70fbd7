// Every message between an operator (a person's command) and a coordinator. The rules are those of the workers'
// messages; the kinds are others, so that neither side's messages are ever taken for the other's.
//
// One request, one reply, in order; as many as the operator likes.

public import Coordination
public import Digests
public import Sweeps

/// From an operator to the coordinator.
public enum OperatorRequest: Hashable, Sendable {
    /// The first message on every connection. Answered by `welcome` or `refused`.
    case hello(OperatorHello)
    /// Workers by name, after this one. Answered by `workers`; one of fewer than ``workersLimit`` is the last.
    case workers(after: String)
    /// Let a worker in. Answered by `done` or `refused`.
    case approve(worker: String)
    /// Shut a worker out. Answered by `done`, when it is durable and the worker's connections are closed, or by
    /// `refused`.
    case ban(worker: String)
    /// Take in a grid. Answered by `text` with what was taken in, or by `refused`.
    case submit(grid: String, file: String)
    /// Pause, cancel or weigh a sweep. Answered by `done` or `refused`.
    case change(SweepChange)
    /// Give the shards of a sweep that were given up all their tries again. Answered by `text` or `refused`.
    case retry(sweep: String)
    /// Why is a shard (by its key) or a worker (by its name) as it is? Answered by `text` or `refused`.
    case explain(String)
    /// What keeps all shards waiting? Answered by `text`, without a line where nothing does.
    case obstacles
    /// Where does a sweep stand? Answered by `snapshot`, or by `refused` where the coordinator does not work on it.
    case snapshot(sweep: String)
    /// Copy the store into the state folder, for a reader on another machine, who removes it. Answered by `text` with
    /// the file's name, or by `refused`.
    case copyStore

    /// The most workers in one reply.
    public static let workersLimit = 1000

    /// The byte that says which message a frame holds.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case hello = 64
        case workers = 65
        case approve = 66
        case ban = 67
        case submit = 68
        case change = 69
        case retry = 70
        case explain = 71
        case obstacles = 72
        case snapshot = 73
        case copyStore = 74
    }
}

/// From the coordinator to an operator.
public enum OperatorReply: Hashable, Sendable {
    case welcome(Welcome)
    /// It was not done, and why.
    case refused(reason: String)
    case done
    case workers([WorkerRecord])
    /// Lines for a person.
    case text([String])
    case snapshot(CoordinatorSnapshot)

    /// The byte that says which message a frame holds.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case welcome = 192
        case refused = 193
        case done = 194
        case workers = 195
        case text = 196
        case snapshot = 197
    }
}

public struct OperatorHello: Hashable, Codable, Sendable {
    public var magic: String
    public var protocolVersion: Int
    /// Quintet's version, for people.
    public var version: String

    public init(version: String) {
        self.magic = ProtocolVersion.magic
        self.protocolVersion = ProtocolVersion.current
        self.version = version
    }

    /// Why the coordinator cannot work with this operator; `nil` when it can.
    public var objection: String? {
        guard self.magic == ProtocolVersion.magic else { return "this is no quintet" }
        guard self.protocolVersion == ProtocolVersion.current else {
            return "this command speaks protocol \(self.protocolVersion) (quintet \(self.version.prefix(40))) and the "
                + "coordinator \(ProtocolVersion.current): run the same quintet"
        }
        return nil
    }
}

/// What is to become of a sweep; what is nil stays.
public struct SweepChange: Hashable, Codable, Sendable {
    public var sweep: String
    public var standing: SweepTerms.Standing?
    public var priority: Int?
    public var weight: Int?

    public init(sweep: String, standing: SweepTerms.Standing? = nil, priority: Int? = nil, weight: Int? = nil) {
        self.sweep = sweep
        self.standing = standing
        self.priority = priority
        self.weight = weight
    }

    /// The terms with this change.
    ///
    /// - Throws: ``MessageError`` for a weight or priority that cannot be.
    public func applied(to terms: SweepTerms) throws(MessageError) -> SweepTerms {
        var terms = terms
        terms.standing = self.standing ?? terms.standing
        terms.priority = self.priority ?? terms.priority
        terms.weight = self.weight ?? terms.weight
        guard SweepDefinition.weights.contains(terms.weight) else {
            throw MessageError.unexpected("a weight is 1 to 1000, not \(terms.weight)")
        }
        guard SweepDefinition.priorities.contains(terms.priority) else {
            throw MessageError.unexpected("a priority is -1000 to 1000, not \(terms.priority)")
        }
        return terms
    }
}

/// A worker in the coordinator's list.
public struct WorkerRecord: Hashable, Codable, Sendable {
    public enum State: String, Codable, Sendable {
        /// Has shown a good token. A person moves it on: `quintet approve`, or `quintet ban`.
        case waiting
        /// May work. `quintet ban` moves it on.
        case active
        /// Nothing of it is accepted. `quintet approve` lets it back in.
        case banned
    }

    public var name: String
    /// SHA-256 of its public key.
    public var keyDigest: Digest
    public var state: State
    /// Seconds since 1970.
    public var joinedSeconds: Int64
    /// When its newest certificate ends, in seconds since 1970; nil before it has one.
    public var certificateEndSeconds: Int64?
    /// Whether it is at work now; nil where nobody knows, because no coordinator runs.
    public var isConnected: Bool?
    /// The machine's name, and what a cluster manager calls its job, while it is at work.
    public var host: String?
    public var job: String?

    public init(
        name: String,
        keyDigest: Digest,
        state: State,
        joinedSeconds: Int64,
        certificateEndSeconds: Int64?,
        isConnected: Bool? = nil,
        host: String? = nil,
        job: String? = nil
    ) {
        self.name = name
        self.keyDigest = keyDigest
        self.state = state
        self.joinedSeconds = joinedSeconds
        self.certificateEndSeconds = certificateEndSeconds
        self.isConnected = isConnected
        self.host = host
        self.job = job
    }
}

extension WorkerRecord {
    /// Where it is at work, for people.
    public var place: String? {
        let parts = [self.host, self.job].compactMap { $0 }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}

/// A running attempt, for people.
public struct RunningShard: Hashable, Codable, Sendable {
    public var key: ShardKey
    public var name: String
    public var worker: WorkerName
    public var progress: AttemptProgress?

    public init(key: ShardKey, name: String, worker: WorkerName, progress: AttemptProgress?) {
        self.key = key
        self.name = name
        self.worker = worker
        self.progress = progress
    }
}

/// Where a sweep, or all of a coordinator's, stand at one moment.
public struct CoordinatorSnapshot: Hashable, Codable, Sendable {
    public var total: Int
    public var done: Int
    /// Given up, quarantined ones included.
    public var failed: Int
    /// Of all sweeps; at most ``runningLimit`` are told.
    public var running: [RunningShard]
    public var workers: [WorkerName]
    /// Of the sweep; nil where it is all of them, or from an earlier version.
    public var standing: SweepTerms.Standing?

    /// No terminal has more lines.
    public static let runningLimit = 256

    public init(
        total: Int,
        done: Int,
        failed: Int,
        running: [RunningShard],
        workers: [WorkerName],
        standing: SweepTerms.Standing? = nil
    ) {
        self.standing = standing
        self.total = total
        self.done = done
        self.failed = failed
        self.running = Array(running.prefix(Self.runningLimit))
        self.workers = Array(workers.prefix(OperatorRequest.workersLimit))
    }
}

extension OperatorRequest {
    private struct OfGrid: Codable { var grid, file: String }
    private struct OfName: Codable { var name: String }

    /// - Throws: `FrameError` where the message does not fit into a frame.
    public func frame() throws -> Frame {
        switch self {
        case .hello(let hello): try Frame(kind: Kind.hello.rawValue, encoding: hello)
        case .workers(let name): try Frame(kind: Kind.workers.rawValue, encoding: OfName(name: name))
        case .approve(let name): try Frame(kind: Kind.approve.rawValue, encoding: OfName(name: name))
        case .ban(let name): try Frame(kind: Kind.ban.rawValue, encoding: OfName(name: name))
        case .submit(let grid, let file):
            try Frame(kind: Kind.submit.rawValue, encoding: OfGrid(grid: grid, file: file))
        case .change(let change): try Frame(kind: Kind.change.rawValue, encoding: change)
        case .retry(let sweep): try Frame(kind: Kind.retry.rawValue, encoding: OfName(name: sweep))
        case .explain(let name): try Frame(kind: Kind.explain.rawValue, encoding: OfName(name: name))
        case .obstacles: Frame(kind: Kind.obstacles.rawValue, payload: [])
        case .snapshot(let sweep): try Frame(kind: Kind.snapshot.rawValue, encoding: OfName(name: sweep))
        case .copyStore: Frame(kind: Kind.copyStore.rawValue, payload: [])
        }
    }

    /// - Throws: ``MessageError`` naming the kind.
    public init(_ frame: Frame) throws(MessageError) {
        guard let kind = Kind(rawValue: frame.kind) else {
            throw MessageError.unexpected("a frame of kind \(frame.kind) is no message of an operator")
        }
        switch kind {
        case .hello: self = .hello(try decode(frame))
        case .workers: self = .workers(after: try decode(frame, OfName.self).name)
        case .approve: self = .approve(worker: try decode(frame, OfName.self).name)
        case .ban: self = .ban(worker: try decode(frame, OfName.self).name)
        case .submit:
            let given: OfGrid = try decode(frame)
            self = .submit(grid: given.grid, file: given.file)
        case .change: self = .change(try decode(frame))
        case .retry: self = .retry(sweep: try decode(frame, OfName.self).name)
        case .explain: self = .explain(try decode(frame, OfName.self).name)
        case .obstacles: self = .obstacles
        case .snapshot: self = .snapshot(sweep: try decode(frame, OfName.self).name)
        case .copyStore: self = .copyStore
        }
    }
}

extension OperatorReply {
    private struct Refusal: Codable { var reason: String }

    /// - Throws: `FrameError` where the message does not fit into a frame.
    public func frame() throws -> Frame {
        switch self {
        case .welcome(let welcome): try Frame(kind: Kind.welcome.rawValue, encoding: welcome)
        case .refused(let reason): try Frame(kind: Kind.refused.rawValue, encoding: Refusal(reason: reason))
        case .done: Frame(kind: Kind.done.rawValue, payload: [])
        case .workers(let workers): try Frame(kind: Kind.workers.rawValue, encoding: workers)
        case .text(let lines): try Frame(kind: Kind.text.rawValue, encoding: lines)
        case .snapshot(let snapshot): try Frame(kind: Kind.snapshot.rawValue, encoding: snapshot)
        }
    }

    /// - Throws: ``MessageError`` naming the kind.
    public init(_ frame: Frame) throws(MessageError) {
        guard let kind = Kind(rawValue: frame.kind) else {
            throw MessageError.unexpected("a frame of kind \(frame.kind) is no answer to an operator")
        }
        switch kind {
        case .welcome: self = .welcome(try decode(frame))
        case .refused: self = .refused(reason: try decode(frame, Refusal.self).reason)
        case .done: self = .done
        case .workers: self = .workers(try decode(frame))
        case .text: self = .text(try decode(frame))
        case .snapshot: self = .snapshot(try decode(frame))
        }
    }
}
