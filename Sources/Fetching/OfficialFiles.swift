public import Foundation

/// What the learning tower knows of published files; fetching itself knows of bytes alone.
public struct FileRules: Sendable {
    /// Makes the film reviews' files, text by name, from the path of the published table (id, score, snippet).
    public var movieReviews: @Sendable (_ table: String) throws -> [String: String]
    /// Makes MRPC's files, text by name, from the folder with the corpus and the list of dev pairs as published.
    public var paraphrases: @Sendable (_ folder: URL) throws -> [String: String]
    /// Writes PyTorch's archive of a state dict as a safetensors file of 32-bit floats.
    public var convertWeights: @Sendable (_ archive: URL, _ file: URL) throws -> Void
    /// Throws where the folder's files are not those of the entry of that name: rows, columns.
    public var checkData: @Sendable (_ name: String, _ folder: URL) throws -> Void

    public init(
        movieReviews: @escaping @Sendable (_ table: String) throws -> [String: String],
        paraphrases: @escaping @Sendable (_ folder: URL) throws -> [String: String],
        convertWeights: @escaping @Sendable (_ archive: URL, _ file: URL) throws -> Void,
        checkData: @escaping @Sendable (_ name: String, _ folder: URL) throws -> Void
    ) {
        self.movieReviews = movieReviews
        self.paraphrases = paraphrases
        self.convertWeights = convertWeights
        self.checkData = checkData
    }
}

/// Of a file in an archive or at an address: far above the largest, MNLI's and ReCoRD's training files.
private let dataBytesLimit: Int64 = 512 << 20

extension Entry {
    // MARK: Backbones

    /// RoBERTa-large (MIT; Liu et al. 2019): 24 layers, 355 M parameters.
    static let robertaLarge: Entry = {
        let files = ["config.json", "vocab.json", "merges.txt", "model.safetensors"]
        return Entry(
            name: "roberta-large",
            kind: .backbone,
            files: files,
            sources: [.hub("FacebookAI/roberta-large", files)]
        )
    }()

    /// DeBERTaV3-base (MIT; He et al. 2021): 12 layers, 184 M parameters, published as PyTorch's archive of halves.
    static func debertaV3Base(_ rules: FileRules) -> Entry {
        let (archive, weights) = ("pytorch_model.bin", "model.safetensors")
        let small = ["config.json", "spm.model", "tokenizer_config.json"]
        return Entry(
            name: "deberta-v3-base",
            kind: .backbone,
            files: small + [weights],
            sources: [.hub("microsoft/deberta-v3-base", small + [archive])],
            finish: { raw, finished in
                for name in small {
                    try FileManager.default.copyItem(
                        at: raw.appendingPathComponent(name),
                        to: finished.appendingPathComponent(name)
                    )
                }
                try rules.convertWeights(
                    raw.appendingPathComponent(archive),
                    finished.appendingPathComponent(weights)
                )
            }
        )
    }

    // MARK: Data

    /// GLUE (Wang et al. 2018): the files of its nine tasks; MRPC as its corpus, which is split by GLUE's own list.
    static func glue(_ rules: FileRules) -> [Entry] {
        let usual = ["train.tsv", "dev.tsv", "test.tsv"]
        let matched = ["train.tsv"] + ["dev", "test"].flatMap { ["\($0)_matched.tsv", "\($0)_mismatched.tsv"] }
        let archives = [
            ("cola", "CoLA", "CoLA.zip", usual), ("sst-2", "SST-2", "SST-2.zip", usual),
            ("qqp", "QQP", "QQP-clean.zip", usual), ("sts-b", "STS-B", "STS-B.zip", usual),
            ("mnli", "MNLI", "MNLI.zip", matched), ("qnli", "QNLI", "QNLIv2.zip", usual),
            ("rte", "RTE", "RTE.zip", usual), ("wnli", "WNLI", "WNLI.zip", usual),
        ]
        let corpus = Source(
            name: "dl.fbaipublicfiles.com",
            origin: .https(
                [
                    ("senteval/senteval_data", "msr_paraphrase_train.txt"),
                    ("senteval/senteval_data", "msr_paraphrase_test.txt"), ("glue/data", "mrpc_dev_ids.tsv"),
                ].map { folder, file in
                    Source.Download(
                        address: "https://dl.fbaipublicfiles.com/\(folder)/\(file)",
                        file: file,
                        bytesLimit: 16 << 20
                    )
                }
            ),
            unpacking: [],
            digests: [:]
        )
        let paraphrases = Entry(
            name: "mrpc",
            kind: .data,
            folder: "glue/MRPC",
            files: usual,
            sources: [corpus],
            finish: { raw, finished in
                for (name, text) in try rules.paraphrases(raw).sorted(by: { $0.key < $1.key }) {
                    try Data(text.utf8).write(to: finished.appendingPathComponent(name))
                }
            },
            check: { try rules.checkData("mrpc", $0) }
        )
        return archives.map { name, title, archive, files in
            .archived(name, folder: "glue/\(title)", path: "glue/data/\(archive)", title, files, rules)
        } + [paraphrases]
    }

    /// SuperGLUE (Wang et al. 2019), second version: its eight tasks.
    static func superglue(_ rules: FileRules) -> [Entry] {
        ["BoolQ", "CB", "COPA", "MultiRC", "ReCoRD", "RTE", "WiC", "WSC"].map { title in
            .archived(
                // GLUE has an RTE too, in another form.
                title == "RTE" ? "superglue-rte" : title.lowercased(),
                folder: "superglue/\(title)",
                path: "glue/superglue/data/v2/\(title).zip",
                title,
                ["train.jsonl", "val.jsonl", "test.jsonl"],
                rules
            )
        }
    }

    /// SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018; CC BY-SA 4.0).
    static func squad(_ rules: FileRules) -> Entry {
        let files = ["train-v1.1.json", "dev-v1.1.json", "train-v2.0.json", "dev-v2.0.json"]
        return Entry(
            name: "squad",
            kind: .data,
            files: files,
            sources: [
                Source(
                    name: "rajpurkar.github.io",
                    origin: .https(
                        files.map {
                            Source.Download(
                                address: "https://rajpurkar.github.io/SQuAD-explorer/dataset/\($0)",
                                file: $0,
                                bytesLimit: dataBytesLimit
                            )
                        }
                    ),
                    unpacking: [],
                    digests: [:]
                )
            ],
            check: { try rules.checkData("squad", $0) }
        )
    }

    /// One archive, of which the named members of one folder are taken.
    private static func archived(
        _ name: String,
        folder: String,
        path: String,
        _ title: String,
        _ files: [String],
        _ rules: FileRules
    ) -> Entry {
        let archive = path.split(separator: "/").last.map(String.init) ?? path
        return Entry(
            name: name,
            kind: .data,
            folder: folder,
            files: files,
            sources: [
                Source(
                    name: "dl.fbaipublicfiles.com",
                    origin: .https([
                        Source.Download(
                            address: "https://dl.fbaipublicfiles.com/\(path)",
                            file: archive,
                            bytesLimit: dataBytesLimit
                        )
                    ]),
                    unpacking: [
                        Source.Unpacking(
                            archive: archive,
                            members: files.map { ("\(title)/\($0)", $0) },
                            bytesLimit: dataBytesLimit
                        )
                    ],
                    digests: [:]
                )
            ],
            check: { try rules.checkData(name, $0) }
        )
    }
}

extension Source {
    /// Files of a repository on the Hugging Face hub.
    fileprivate static func hub(_ repository: String, _ files: [String]) -> Source {
        Source(
            name: "huggingface.co",
            origin: .https(
                files.map { file in
                    Download(
                        address: "https://huggingface.co/\(repository)/resolve/main/\(file)",
                        file: file,
                        bytesLimit: ["model.safetensors", "pytorch_model.bin"].contains(file) ? 4 << 30 : 16 << 20
                    )
                }
            ),
            unpacking: [],
            digests: [:]
        )
    }
}
