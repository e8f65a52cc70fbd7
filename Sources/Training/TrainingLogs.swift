internal import Adapters
internal import Files
internal import Foundation

/// What a run writes for comparing it with other implementations.
public struct TrainingLogs {
    /// Gets the gradients of what is minimised in the first step that the run takes, before clipping, of all trainable
    /// parameters, as safetensors under HF's names. `nil` once they are there.
    private var gradientsFile: String?
    /// Gets a JSON line after each step: the ranks that are not zero, by the layer's path.
    private let ranks: FileHandle?
    /// Gets the outputs of the scored parameters: see ``LoggedLogits``.
    let logitsFile: String?

    /// - Parameters:
    ///   - gradientsFile: for the first step's gradients.
    ///   - ranksFile: for the ranks after each step; what it held is lost.
    ///   - logitsFile: for the outputs of the scored parameters.
    /// - Throws: `CocoaError` where a file cannot be made.
    public init(gradientsFile: String? = nil, ranksFile: String? = nil, logitsFile: String? = nil) throws {
        self.gradientsFile = gradientsFile
        self.logitsFile = logitsFile
        self.ranks = try ranksFile.map { path in
            try Data().write(to: URL(filePath: path))
            return try FileHandle(forWritingTo: URL(filePath: path))
        }
    }

    /// Writes nothing.
    public init() { (self.gradientsFile, self.ranks, self.logitsFile) = (nil, nil, nil) }

    mutating func write(gradientsOf model: Model) throws {
        if let path = self.gradientsFile.take() { try DurableFile.write(try model.gradients(), to: path) }
    }

    private struct Ranks: Encodable {
        let step: Int
        let kept: [String: [Int]]
    }

    func write(ranksOf adaptation: any Adaptation, step: Int) throws {
        guard let ranks = self.ranks else { return }
        let kept = Dictionary(uniqueKeysWithValues: adaptation.keptRanks.map { ($0.path, $0.kept) })
        try ranks.write(contentsOf: try JSON.encoder.encode(Ranks(step: step, kept: kept)) + Data("\n".utf8))
    }
}
