public import Sweeps

/// Only bias vectors are trained, those of layer norms included (Ben Zaken et al. 2021, arXiv:2106.10199).
public struct BitFit: FineTuningMethod {
    public init(_ settings: Settings) {}

    public func trains(_ parameter: String) -> Bool { parameter.hasSuffix(".bias") }
}
