// Every message that crosses the wire between a worker and a coordinator is declared in this file.
//
// Rules for changing it:
//   - A kind's number is never reused, not even after the message is gone.
//   - A new field is optional. A field that must be there is a new message.
//   - Any other change raises `ProtocolVersion.current`.
//
// A frame's kind says which message it holds. The payload is JSON, in reports of two lines, save for chunks of blobs,
// which are raw bytes.

public import Coordination
public import Digests
public import Sweeps

public enum ProtocolVersion {
    /// Both sides must speak the same.
    public static let current = 2
    /// What the first message carries, so that another program's JSON is never taken for ours.
    public static let magic = "quintet"
}

/// From a worker to the coordinator.
public enum WorkerMessage: Hashable, Sendable {
    /// The first message on every connection; anything else first is a protocol error. Answered by `welcome` or
    /// `refused`.
    case hello(Hello)
    /// Renews every lease it names. A lease it leaves out runs to its deadline. Answered by `heartbeat`.
    case heartbeat(holding: [Lease])
    case progress(Lease, AttemptProgress)
    /// The blob of this checkpoint was uploaded before. Answered by `checkpointAccepted`.
    case checkpoint(Lease, TrainerEvent.Checkpointed)
    /// Answered by `settled`, or by `blobMissing`, after which it is sent again. May arrive twice.
    case report(Lease, Outcome)
    /// The shard is free again, from the checkpoints that were uploaded. Answered by `settled`.
    case handBack(Lease)
    /// Nothing new, please.
    case draining
    /// Asks from where to send a blob. Answered by `sendFrom`, `stored` or `uploadRefused`.
    case offer(BlobOffer)
    /// Answered by `sendFrom` with the next offset, by `stored` after the last one, or by `uploadRefused`.
    case chunk(BlobChunk)
    /// Asks for a part of a blob. Answered by `chunk` or `downloadRefused`.
    case fetch(BlobRange)

    /// The byte that says which message a frame holds.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case hello = 1
        case heartbeat = 2
        case progress = 3
        case checkpoint = 4
        case report = 5
        case handBack = 6
        case draining = 7
        case offer = 8
        case chunk = 9
        case fetch = 10
    }
}

/// From the coordinator to a worker.
public enum CoordinatorMessage: Hashable, Sendable {
    /// The worker is in. Grants follow when there is work.
    case welcome(Welcome)
    /// This worker cannot take part, and why; the connection ends.
    case refused(reason: String)
    case grant(Grant)
    /// Stop this attempt; nothing of it is wanted, save a result that is there already.
    case revoke(Lease)
    /// Stop these after a checkpoint and hand them back.
    case handBack([Lease])
    /// The report or hand-back is durable; forget the lease.
    case settled(Lease)
    case checkpointAccepted(Lease, Digest)
    /// A report's checkpoint has to be uploaded before the report is taken.
    case blobMissing(Lease, Digest)
    case sendFrom(Digest, offset: Int)
    case stored(Digest)
    case uploadRefused(Digest, reason: String)
    case chunk(BlobChunk)
    case downloadRefused(Digest, reason: String)
    /// There is no more work and will not be any: the worker may leave.
    case dismissed
    /// The coordinator is there.
    case heartbeat

    /// The byte that says which message a frame holds.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case welcome = 128
        case refused = 129
        case grant = 130
        case revoke = 131
        case handBack = 132
        case settled = 133
        case checkpointAccepted = 134
        case blobMissing = 135
        case sendFrom = 136
        case stored = 137
        case uploadRefused = 138
        case chunk = 139
        case downloadRefused = 140
        case dismissed = 141
        case heartbeat = 142
    }
}

/// What a worker says of itself. Who it is stands in its certificate.
public struct Hello: Hashable, Codable, Sendable {
    public var magic: String
    public var protocolVersion: Int
    /// Quintet's version, for people.
    public var version: String
    public var host: String
    /// Trainers at once.
    public var slots: Int
    /// Of each trainer.
    public var threads: Int
    public var cores: Int
    public var memoryBytes: Int
    /// Leases that run here or whose outcome waits here.
    public var holding: [Lease]
    /// What sweeps may ask for by name.
    public var labels: [String]?
    /// What decides bits on this machine.
    public var kernelClass: String?
    /// All of OpenBLAS's kernels that it can run.
    public var kernels: [String]?
    /// Until this machine is taken away.
    public var secondsLeft: Int?
    /// What a cluster manager calls the job that the worker is.
    public var job: String?

    public init(
        version: String,
        host: String,
        slots: Int,
        threads: Int,
        cores: Int,
        memoryBytes: Int,
        holding: [Lease],
        labels: [String]? = nil,
        kernelClass: String? = nil,
        kernels: [String]? = nil,
        secondsLeft: Int? = nil,
        job: String? = nil
    ) {
        self.magic = ProtocolVersion.magic
        self.protocolVersion = ProtocolVersion.current
        self.version = version
        self.host = host
        self.slots = slots
        self.threads = threads
        self.cores = cores
        self.memoryBytes = memoryBytes
        self.holding = holding
        self.labels = labels
        self.kernelClass = kernelClass
        self.kernels = kernels
        self.secondsLeft = secondsLeft
        self.job = job
    }

    /// What it offers.
    public var capacity: Capacity {
        Capacity(
            slots: self.slots,
            memoryBytes: self.memoryBytes,
            labels: Set(self.labels ?? []),
            kernelClass: self.kernelClass,
            kernels: Set(self.kernels ?? []),
            secondsLeft: self.secondsLeft
        )
    }

    /// The most labels that a worker may have, and the most kernels.
    public static let labelsLimit = 64
    /// The longest name of a machine or job.
    public static let nameBytesLimit = 255
    /// The most slots or leases that a worker may name.
    public static let slotsLimit = 1024

    /// The times that a worker's machine may have left: up to a hundred years.
    public static let secondsLeftRange = 0...100 * 366 * 86_400

    /// Why the coordinator cannot work with this worker; `nil` when it can.
    public var objection: String? {
        guard self.magic == ProtocolVersion.magic else { return "this is no quintet worker" }
        guard self.protocolVersion == ProtocolVersion.current else {
            return "the worker speaks protocol \(self.protocolVersion) (quintet \(self.version.prefix(40))) and the "
                + "coordinator \(ProtocolVersion.current): run the same quintet on both"
        }
        guard (1...Self.slotsLimit).contains(self.slots) else {
            return "the worker offers \(self.slots) slots; it may have 1 to \(Self.slotsLimit)"
        }
        guard self.holding.count <= 2 * Self.slotsLimit else { return "the worker names \(self.holding.count) leases" }
        guard self.host.utf8.count <= Self.nameBytesLimit else {
            return "its machine's name has \(self.host.utf8.count) bytes; it may have \(Self.nameBytesLimit)"
        }
        guard self.job?.utf8.count ?? 0 <= Self.nameBytesLimit else {
            return "its job's name has \(self.job?.utf8.count ?? 0) bytes; it may have \(Self.nameBytesLimit)"
        }
        guard self.labels?.count ?? 0 <= Self.labelsLimit else {
            return "the worker has \(self.labels?.count ?? 0) labels; it may have \(Self.labelsLimit)"
        }
        guard self.kernels?.count ?? 0 <= Self.labelsLimit else {
            return "the worker names \(self.kernels?.count ?? 0) kernels; it may name \(Self.labelsLimit)"
        }
        guard self.secondsLeft.map(Self.secondsLeftRange.contains) ?? true else {
            let limit = Self.secondsLeftRange.upperBound
            return "the worker has \(self.secondsLeft ?? 0) s left; it may have 0 to \(limit)"
        }
        return nil
    }
}

public struct Welcome: Hashable, Codable, Sendable {
    public var magic: String
    public var protocolVersion: Int
    public var version: String

    public init(version: String) {
        self.magic = ProtocolVersion.magic
        self.protocolVersion = ProtocolVersion.current
        self.version = version
    }
}

/// A lease with all that the worker needs to run it.
public struct Grant: Hashable, Codable, Sendable {
    public var lease: Lease
    /// For people: `rte/lora/3`.
    public var name: String
    public var shard: ShardText
    public var checkpointSeconds: Double
    /// What to go on from.
    public var last: TrainerEvent.Checkpointed?
    /// The most that one of its checkpoints takes on the worker's disk, where that is known.
    public var checkpointBytes: Int?

    public init(
        lease: Lease,
        name: String,
        shard: ShardText,
        checkpointSeconds: Double,
        last: TrainerEvent.Checkpointed?,
        checkpointBytes: Int? = nil
    ) {
        self.lease = lease
        self.name = name
        self.shard = shard
        self.checkpointSeconds = checkpointSeconds
        self.last = last
        self.checkpointBytes = checkpointBytes
    }
}

/// A blob that a worker wants to send, for one of its leases.
public struct BlobOffer: Hashable, Codable, Sendable {
    public var digest: Digest
    public var bytes: Int
    public var lease: Lease

    public init(digest: Digest, bytes: Int, lease: Lease) {
        self.digest = digest
        self.bytes = bytes
        self.lease = lease
    }
}

/// A part of a blob that a worker wants to have.
public struct BlobRange: Hashable, Codable, Sendable {
    public var digest: Digest
    public var offset: Int
    /// At most ``BlobChunk/bytesLimit``.
    public var count: Int

    public init(digest: Digest, offset: Int, count: Int) {
        self.digest = digest
        self.offset = offset
        self.count = count
    }
}

/// A part of a blob: digest of the whole (32 bytes), offset (8 bytes, big-endian), total (8 bytes), then the bytes.
public struct BlobChunk: Hashable, Sendable {
    public var digest: Digest
    public var offset: Int
    /// Bytes of the whole blob.
    public var totalBytes: Int
    public var bytes: [UInt8]

    static let headerBytes = Digest.byteCount + 16
    /// The most bytes of a blob in one chunk.
    public static let bytesLimit = 256 << 10

    public init(digest: Digest, offset: Int, totalBytes: Int, bytes: [UInt8]) {
        precondition(bytes.count <= Self.bytesLimit, "a chunk of \(bytes.count) bytes")
        self.digest = digest
        self.offset = offset
        self.totalBytes = totalBytes
        self.bytes = bytes
    }

    /// Whether this chunk ends the blob.
    public var isLast: Bool { self.offset + self.bytes.count == self.totalBytes }
}

/// A frame that is no message of this protocol.
public struct MessageError: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    /// A message that is whole but out of place.
    public static func unexpected(_ description: String) -> MessageError { MessageError(description) }
}
