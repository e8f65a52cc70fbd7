internal import Layers
internal import Tokenizers

/// Examples whose gradients are computed together, and the passes that their sequences make: one, unless an example
/// has more sequences than a pass takes.
struct TrainingPart {
    var examples: [EncodedExample]
    var passes: [PackedBatch]

    /// A step's examples in parts of about one pass each: a step's activations then need no more memory than one
    /// pass's, and stay near the processor. The cuts depend on the lengths alone.
    static func parts(of examples: [EncodedExample], passTokens: Int) -> [TrainingPart] {
        var place = 0
        return passCuts(examples.map(\.tokens), passTokens: passTokens).map { cut in
            let part = Array(examples[cut])
            let sequences = part.flatMap(\.sequences)
            let lengths = sequences.map(\.ids.count)
            // What fits is not cut again.
            let isLarge = sequences.count > part.count && lengths.reduce(0, +) > 3 * passTokens / 2
            let passes = (isLarge ? passCuts(lengths, passTokens: passTokens) : [sequences.indices]).map { cut in
                var batch = PackedBatch()
                for sequence in sequences[cut] {
                    batch.append(tokenIDs: sequence.ids, typeIDs: sequence.typeIDs, place: place)
                    place += 1
                }
                return batch
            }
            return TrainingPart(examples: part, passes: passes)
        }
    }
}

/// About so many tokens make a pass.
let defaultPassTokens = 2048

/// Cuts things of these lengths, one after another, into runs of about `passTokens` tokens and alike in size.
func passCuts(_ lengths: [Int], passTokens: Int = defaultPassTokens) -> [Range<Int>] {
    let tokens = lengths.reduce(0, +)
    let passes = max(1, (tokens + passTokens - 1) / passTokens)
    let share = (tokens + passes - 1) / passes
    var (cuts, start, sum) = ([Range<Int>](), 0, 0)
    for (index, length) in lengths.enumerated() {
        // A thing goes where more than half of it would lie.
        if sum > 0, sum + length / 2 > share {
            cuts.append(start..<index)
            (start, sum) = (index, 0)
        }
        sum += length
    }
    if start < lengths.count { cuts.append(start..<lengths.count) }
    return cuts
}
