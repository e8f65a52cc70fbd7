internal import Adapters
public import Encoders
internal import Layers
public import Sweeps

/// What a trainer will have resident at most, before it is started: a shard goes only where that fits.
///
/// It counts what training is made of: what is read of the backbone's files, and frozen parameters once more where they
/// are not stored as 32-bit floats; of each trainable parameter its value, gradient, two moments and best value; the
/// activations and gradients of one pass. A benchmark compares it with the system's figure.
///
/// - Throws: ``BackboneError`` for weights that lack what the configuration describes.
public func estimatedMemoryBytes(
    _ configuration: EncoderConfiguration,
    weights: BackboneWeights,
    method: String,
    settings: Settings,
    labels: Labels
) throws -> Int {
    let declarations = declarations(
        configuration,
        method: method,
        settings: settings,
        labels: labels,
        isInFile: weights.has
    )
    let trainable = declarations.filter(\.isTrainable).reduce(0) { $0 + $1.count }
    let resolved = ResolvedSettings(settings)
    let (length, batch) = (resolved.integer("maximumLength"), resolved.integer("batchSize"))
    // Candidates are several sequences an example.
    let step = labels == .candidate ? Int.max : length * batch
    let tokens = min(step, 3 * defaultPassTokens / 2 + length)
    // Kept of each block: query, key, value, context, two sums, the normed one and the output; both inner matrices;
    // the attention's probabilities. One block's gradients and the pass's two buffers come on top.
    let method = fineTuningMethod(method, settings: settings)
    let kept =
        8 * configuration.hidden + 2 * configuration.intermediate + configuration.heads * length
        + method.keptFloats(configuration)
    let scratch = 10 * configuration.hidden + configuration.intermediate
    let floats =
        4 * trainable + stateFloats(method, configuration) + tokens * (configuration.layers * kept + scratch)
        + relativeFloats(configuration, method: method, length: length, tokens: tokens)
    return programBytes + (try weights.memoryBytes(declarations)) + MemoryLayout<Float>.stride * floats
}

/// What a method keeps from step to step beside its parameters.
private func stateFloats(_ method: any FineTuningMethod, _ configuration: EncoderConfiguration) -> Int {
    method.stateFactor * method.declarations(configuration).reduce(0) { $0 + $1.count }
}

/// What DeBERTa keeps beside that: the positions that sequences of this length can have and, in each block, their dropped
/// out, key and query vectors; the neighbourhoods and three more matrices of a convolution.
private func relativeFloats(
    _ configuration: EncoderConfiguration,
    method: any FineTuningMethod,
    length: Int,
    tokens: Int
) -> Int {
    guard case .deberta(let deberta) = configuration.architecture else { return 0 }
    let positions = deberta.relative?.rows(length: length).count ?? 0
    // A block's gradients of its keys, queries and positions, the sum over the blocks, and a head's products.
    let scratch = positions * (6 * configuration.hidden + 2 * length)
    let convolution =
        deberta.convolutionWidth == 0 ? 0 : tokens * configuration.hidden * (2 * deberta.convolutionWidth + 4)
    // At most all of a block's adapters stand on positions too.
    let kept = 3 * configuration.hidden + method.keptFloats(configuration)
    return positions * kept * configuration.layers + scratch + convolution
}

/// What one checkpoint of a shard takes on a disk at most: it is compressed besides.
public func estimatedCheckpointBytes(
    _ configuration: EncoderConfiguration,
    method: String,
    settings: Settings,
    labels: Labels
) -> Int {
    let trainable = declarations(configuration, method: method, settings: settings, labels: labels)
        .filter(\.isTrainable)
    // Value, two moments and best value; names and shapes; where the run stands.
    let header = 4 * trainable.count * 200 + (64 << 10)
    let state = stateFloats(fineTuningMethod(method, settings: settings), configuration)
    return MemoryLayout<Float>.stride * (4 * trainable.reduce(0) { $0 + $1.count } + state) + header
}

/// All parameters of a shard's network.
private func declarations(
    _ configuration: EncoderConfiguration,
    method: String,
    settings: Settings,
    labels: Labels,
    isInFile: (_ name: String, _ shape: [Int]) -> Bool = { _, _ in true }
) -> [ParameterDeclaration] {
    let method = fineTuningMethod(method, settings: settings)
    return configuration.declarations(trains: method.trains) + method.declarations(configuration)
        + configuration.headDeclarations(
            labels.head,
            isTrainable: Hyperparameters(settings).headTrainable,
            isInFile: isInFile
        )
}

/// Of the program itself, its libraries' buffers and the task's examples.
private let programBytes = 96 << 20
