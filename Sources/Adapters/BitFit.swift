public import Sweeps

/// Only bias vectors are trained, those of layer norms included (Ben Zaken et al. 2021, arXiv:2106.10199).
///
/// Without `intermediateBias` those of the intermediate layers stay, as in SoRA's baseline.
public struct BitFit: FineTuningMethod {
    private let hasIntermediate: Bool

    public init(_ settings: Settings) {
        self.hasIntermediate = ResolvedSettings(settings).optionalFlag("intermediateBias") ?? true
    }

    public func trains(_ parameter: String) -> Bool {
        parameter.hasSuffix(".bias") && (self.hasIntermediate || !parameter.hasSuffix("intermediate.dense.bias"))
    }
}
