public import Digests
public import Sweeps

/// A result that is a function of its arguments alone, for tests that store, send and count results.
public func exampleResult(
    key: ShardKey,
    task: String = "rte",
    method: String = "lora",
    seed: Int = 0,
    loss: Double = 0.5,
    accuracy: Double = 0.75
) -> ShardResult {
    let scored = Evaluation(
        split: "validation",
        step: 10,
        epoch: 1,
        loss: loss,
        metrics: [.accuracy: accuracy],
        runtimeSeconds: 1,
        samples: 10,
        steps: 1
    )
    return ShardResult(
        key: key,
        task: task,
        method: method,
        seed: seed,
        splitProtocol: .fullDev,
        scored: scored,
        evaluations: [scored],
        trainingLoss: 0.5,
        steps: 10,
        epochs: 1,
        scoredStep: 10,
        runtimeSeconds: 1,
        samplesPerSecond: 1,
        stepsPerSecond: 1,
        peakMemoryBytes: 1,
        trainableParametersInitial: 1,
        trainableParametersFinal: 1,
        headParameters: 1,
        parametersDigest: key,
        environment: Environment(processor: "p", kernelClass: "k", threads: 1, operatingSystem: "o", version: "v")
    )
}
