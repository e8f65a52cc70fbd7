public import Sweeps

/// Every parameter of the backbone is trained.
public struct FullFineTuning: FineTuningMethod {
    public init(_ settings: Settings) {}

    public func trains(_ parameter: String) -> Bool { true }
}
