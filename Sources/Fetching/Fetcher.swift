import Digests
public import Foundation
public import Transport

/// Brings entries of a catalogue into the cache.
///
/// A folder appears in the cache whole or not at all. What was interrupted goes on at the next call; two processes
/// that fetch the same entry wait for one another, and the second finds it there.
public struct Fetcher: Sendable {
    private let cache: Cache
    private let catalogue: Catalogue
    private let https: HTTPSClient
    private let pipArguments: [String]

    /// - Parameter pipArguments: more arguments for pip, where a package index is used.
    public init(
        cache: Cache = Cache(),
        catalogue: Catalogue,
        https: HTTPSClient = HTTPSClient(),
        pipArguments: [String] = []
    ) {
        self.cache = cache
        self.catalogue = catalogue
        self.https = https
        self.pipArguments = pipArguments
    }

    /// Makes sure that an entry is in the cache, and gives its folder.
    ///
    /// - Throws: ``FetchError`` where the name is unknown, what is in the cache is not what was fetched, or no source
    ///   could deliver (with the reason of each).
    @discardableResult
    public func fetch(
        _ name: String,
        onEvent: @escaping @Sendable (FetchEvent) -> Void = { _ in }
    ) async throws -> URL {
        let entry = try self.catalogue.entry(name)
        let place = entry.place(in: self.cache)
        let kindFolder = self.cache.kindFolder(entry.kind)
        try self.onDisk("make \(kindFolder.path)") {
            try FileManager.default.createDirectory(at: kindFolder, withIntermediateDirectories: true)
        }
        let lock = try await FolderLock.acquire(at: kindFolder.appendingPathComponent(".\(name).lock"))
        defer { withExtendedLifetime(lock) {} }
        let record = try DigestRecord(at: self.recordPlace(entry))
        if FileManager.default.fileExists(atPath: place.path) {
            try self.checkPresent(entry, at: place, record)
            onEvent(.present(name: name))
            return place
        }
        var reasons: [String] = []
        let sources = entry.sources.enumerated().map { (String($0.offset), $0.element) }
        for (working, source) in (self.broughtByHand(entry).map { [("by-hand", $0)] } ?? []) + sources {
            onEvent(.trying(name: name, source: source.name))
            do {
                try await self.fetch(entry, from: source, working: working, record, onEvent)
                onEvent(.fetched(name: name, source: source.name))
                return place
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                let reason = self.words(for: error)
                reasons.append("\(source.name): \(reason)")
                onEvent(.failed(name: name, source: source.name, reason: reason))
            }
        }
        throw FetchError(
            "cannot fetch \(name). " + reasons.joined(separator: ". ")
                + ". Put the files \(entry.files.joined(separator: ", "))"
                + " into \(place.path) by hand\(self.rawByHand(entry)), or try again"
        )
    }

    /// The published files too may be brought by hand, where they are not the finished ones.
    private func rawByHand(_ entry: Entry) -> String {
        guard let (folder, files) = self.handFolder(entry) else { return "" }
        return ", or \(files.joined(separator: ", ")) as published into \(folder.path) and fetch it again"
    }

    private func handFolder(_ entry: Entry) -> (folder: URL, files: [String])? {
        guard case .https(let downloads)? = entry.sources.first?.origin else { return nil }
        let files = downloads.map(\.file)
        guard Set(files) != Set(entry.files) else { return nil }
        let folder = self.cache.kindFolder(entry.kind)
            .appendingPathComponent("\(entry.name).published", isDirectory: true)
        return (folder, files)
    }

    /// The first source with the files that a person put there, if all are.
    private func broughtByHand(_ entry: Entry) -> Source? {
        guard let (folder, files) = self.handFolder(entry), var source = entry.sources.first else { return nil }
        let isWhole = files.allSatisfy {
            FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path)
        }
        guard isWhole else { return nil }
        source.name = "the files in \(folder.path)"
        source.origin = .folder(folder, files: files)
        return source
    }

    private func workingFolder(_ entry: Entry) -> URL {
        self.cache.kindFolder(entry.kind).appendingPathComponent(".\(entry.name).fetching", isDirectory: true)
    }

    /// Files that a person put there are taken as they are; those that were fetched must still be what came.
    private func checkPresent(_ entry: Entry, at place: URL, _ record: DigestRecord?) throws {
        for file in entry.files {
            let path = place.appendingPathComponent(file).path
            guard FileManager.default.fileExists(atPath: path) else {
                throw FetchError("\(place.path) lacks \(file): add it, or remove the folder to fetch it anew")
            }
            guard let expected = record?.finished[file] else { continue }
            guard try SHA256.hash(file: path) == expected else {
                throw FetchError("\(path) is not what was fetched any more: remove \(place.path) to fetch it anew")
            }
        }
    }

    private func recordPlace(_ entry: Entry) -> URL {
        self.cache.kindFolder(entry.kind).appendingPathComponent("\(entry.name).digests.json")
    }

    // MARK: One source

    private func fetch(
        _ entry: Entry,
        from source: Source,
        working subfolder: String,
        _ record: DigestRecord?,
        _ onEvent: @escaping @Sendable (FetchEvent) -> Void
    ) async throws {
        let files = FileManager.default
        let kindFolder = self.cache.kindFolder(entry.kind)
        let working = self.workingFolder(entry)
        let raw = working.appendingPathComponent(subfolder, isDirectory: true)
        try self.onDisk("make \(raw.path)") { try files.createDirectory(at: raw, withIntermediateDirectories: true) }

        var known = source.digests
        known.merge(record?.raw[source.name] ?? [:]) { catalogued, _ in catalogued }
        let names = try await self.bringRaw(source, into: raw, known: known, onEvent)
        var fresh: [String: Digest] = [:]
        for name in names {
            let digest = try SHA256.hash(file: raw.appendingPathComponent(name).path)
            // What a person brought says nothing of what the source sends.
            if case .folder = source.origin { continue }
            guard known[name] == nil else { continue }
            fresh[name] = digest
            onEvent(.recorded(file: name, source: source.name, digest: digest.description))
        }

        let finished = working.appendingPathComponent("finished", isDirectory: true)
        try? files.removeItem(at: finished)
        try self.onDisk("make \(finished.path)") {
            try files.createDirectory(at: finished, withIntermediateDirectories: true)
        }
        if let finish = entry.finish {
            try finish(raw, finished)
        } else {
            try self.onDisk("fill \(finished.path)") {
                for name in entry.files {
                    try files.moveItem(
                        at: raw.appendingPathComponent(name),
                        to: finished.appendingPathComponent(name)
                    )
                }
            }
        }
        try entry.check?(finished)
        var digests: [String: Digest] = [:]
        for name in entry.files {
            let path = finished.appendingPathComponent(name).path
            guard files.fileExists(atPath: path) else { throw FetchError("\(name) did not come of it") }
            digests[name] = try SHA256.hash(file: path)
            try self.flush(path)
        }
        var all = record?.raw ?? [:]
        if !fresh.isEmpty { all[source.name, default: [:]].merge(fresh) { $1 } }
        try self.onDisk("write \(self.recordPlace(entry).path)") {
            try DigestRecord(source: source.name, finished: digests, raw: all).save(at: self.recordPlace(entry))
        }
        try self.flush(finished.path)
        let place = entry.place(in: self.cache)
        let parent = place.deletingLastPathComponent()
        try self.onDisk("write \(place.path)") {
            try files.createDirectory(at: parent, withIntermediateDirectories: true)
            try files.moveItem(at: finished, to: place)
        }
        try self.flush(parent.path)
        if parent.path != kindFolder.path { try self.flush(kindFolder.path) }
        try? files.removeItem(at: working)
    }

    /// Brings a source's raw files into a folder, checked, and gives their names.
    private func bringRaw(
        _ source: Source,
        into raw: URL,
        known: [String: Digest],
        _ onEvent: @escaping @Sendable (FetchEvent) -> Void
    ) async throws -> [String] {
        var names: [String] = []
        switch source.origin {
        case .nothing: break
        case .folder(let folder, let files):
            for name in files {
                let (given, place) = (folder.appendingPathComponent(name), raw.appendingPathComponent(name))
                try? FileManager.default.removeItem(at: place)
                try self.onDisk("copy \(given.path)") { try FileManager.default.copyItem(at: given, to: place) }
                try self.check(place, as: name, from: source, known[name])
                names.append(name)
            }
        case .https(let downloads):
            for download in downloads {
                let place = raw.appendingPathComponent(download.file)
                if FileManager.default.fileExists(atPath: place.path) {
                    try self.check(place, as: download.file, from: source, known[download.file])
                } else {
                    let partial = place.appendingPathExtension("partial")
                    try await self.https.download(
                        download.address,
                        to: partial.path,
                        bytesLimit: download.bytesLimit
                    ) { bytes, total in onEvent(.progress(file: download.file, bytes: bytes, total: total)) }
                    try self.check(partial, as: download.file, from: source, known[download.file])
                    try self.onDisk("rename \(partial.path)") {
                        try FileManager.default.moveItem(at: partial, to: place)
                    }
                }
                names.append(download.file)
            }
        case .package(let name, let version, let archive, let digest):
            let place = raw.appendingPathComponent(archive)
            if (try? SHA256.hash(file: place.path)) != digest {
                try await Packages.download(
                    name: name,
                    version: version,
                    digest: digest,
                    into: raw,
                    pipArguments: self.pipArguments
                )
                try self.check(place, as: archive, from: source, digest)
            }
        }
        for step in source.unpacking {
            try await Packages.unpack(step, in: raw)
            for member in step.members {
                try self.check(
                    raw.appendingPathComponent(member.file),
                    as: member.file,
                    from: source,
                    known[member.file]
                )
                names.append(member.file)
            }
        }
        return names
    }

    /// Removes a file that is not what it should be, so that the next try does not go on with it.
    private func check(_ place: URL, as name: String, from source: Source, _ expected: Digest?) throws {
        let digest = try SHA256.hash(file: place.path)
        guard let expected, digest != expected else { return }
        try? FileManager.default.removeItem(at: place)
        throw FetchError(
            "\(name) from \(source.name) has the SHA-256 \(digest), and \(expected) was expected: it has changed there, "
                + "or was changed on the way"
        )
    }

    // MARK: Disk

    private func flush(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FetchError("cannot open \(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw FetchError("cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }

    private func onDisk(_ action: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as FetchError {
            throw error
        } catch {
            throw FetchError("cannot \(action): \(error.localizedDescription)")
        }
    }

    private func words(for error: any Error) -> String {
        error is CocoaError ? error.localizedDescription : "\(error)"
    }
}
