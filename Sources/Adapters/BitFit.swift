public import Sweeps

/// Only bias vectors are trained, those of layer norms included (Ben Zaken et al. 2021, arXiv:2106.10199).
///
/// Without `intermediateBias` those of the intermediate layers and of the norms outside the blocks stay, as in SoRA's
/// baseline, whose library does not find them.
public struct BitFit: FineTuningMethod {
    private let hasIntermediate: Bool

    public init(_ settings: Settings) {
        self.hasIntermediate = ResolvedSettings(settings).optionalFlag("intermediateBias") ?? true
    }

    public func trains(_ parameter: String) -> Bool {
        guard parameter.hasSuffix(".bias") else { return false }
        return self.hasIntermediate
            || parameter.hasPrefix("encoder.layer.") && !parameter.hasSuffix("intermediate.dense.bias")
    }
}
