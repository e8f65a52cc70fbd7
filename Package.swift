// swift-tools-version: 6.2
import PackageDescription

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)
let database = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nio = ["NIOCore", "NIOPosix", "NIOHTTP1"].map {
    Target.Dependency.product(name: $0, package: "swift-nio")
}
let nioCore = nio[0]
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

// Two towers and one bridge: an arrow only points down, and the two towers meet in `quintet` alone.
let package = Package(
    name: "quintet",
    products: [.executable(name: "quintet", targets: ["quintet"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // System libraries, and what must run on any processor.
        .systemLibrary(
            name: "COpenBLAS",
            pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev"])]
        ),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "CProcessor"),
        .target(name: "CSQLite", linkerSettings: [.linkedLibrary("sqlite3")]),

        // Both towers stand on these.
        .target(name: "Digests", dependencies: ["COpenSSL"]),
        .target(name: "Files"),
        .target(name: "Sweeps", dependencies: ["Digests", yams]),

        // The learning tower: one shard, no network.
        .target(name: "Tensors", dependencies: ["COpenBLAS", "CProcessor"]),
        .target(name: "Layers", dependencies: ["Tensors"]),
        .target(name: "Encoders", dependencies: ["Layers", "Tensors"]),
        .target(name: "Adapters", dependencies: ["Encoders", "Layers", "Sweeps", "Tensors"]),
        .target(name: "Tokenizers"),
        .target(name: "Tasks", dependencies: ["Sweeps"]),
        .target(
            name: "Training",
            dependencies: [
                "Adapters", "CZstd", "Digests", "Encoders", "Files", "Layers", "Sweeps", "Tasks", "Tensors",
                "Tokenizers",
            ]
        ),

        // The cluster tower: shards as opaque work.
        .target(name: "Coordination", dependencies: ["Digests", "Sweeps"]),
        .target(name: "Wire", dependencies: ["Coordination", "Digests", "Files", "Sweeps", nioCore]),
        .target(name: "Transport", dependencies: ["COpenSSL", "Digests", "Files", "Wire", logging] + nio),
        .target(
            name: "CoordinatorShell",
            dependencies: [
                "Coordination", "CSQLite", "Digests", "Files", "Sweeps", "Transport", "Wire", database, sqlite, logging,
            ]
        ),
        .target(
            name: "WorkerShell",
            dependencies: ["Coordination", "Digests", "Files", "Sweeps", "Transport", "Wire", logging]
        ),
        .target(name: "Launchers", dependencies: ["Digests", "Sweeps", "WorkerShell"]),
        .target(
            name: "Simulation",
            dependencies: [
                "Coordination", "CoordinatorShell", "Digests", "Files", "Sweeps", "Transport", "Wire", sqlite,
            ]
        ),
        .target(name: "Fetching", dependencies: ["Digests", "Transport"]),

        // The bridge.
        .target(name: "Reports", dependencies: ["Digests", "Sweeps"]),
        .executableTarget(
            name: "quintet",
            dependencies: [
                "COpenSSL", "CProcessor", "CSQLite", "CZstd", "Coordination", "CoordinatorShell", "Digests", "Encoders",
                "Fetching", "Files", "Launchers", "Layers", "Reports",
                "Simulation", "Sweeps", "Tasks", "Tensors", "Tokenizers", "Training", "Transport", "Wire",
                "WorkerShell",
                argumentParser, logging,
            ]
        ),

        // Beside the product.
        .target(name: "TestSupport", dependencies: ["Digests", "Sweeps", "Tensors"]),
        .target(name: "TransportTestSupport", dependencies: ["Transport", "Wire", logging]),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "Coordination", "CoordinatorShell", "Digests", "Files", "Sweeps", "Tasks", "Tensors", "TestSupport",
                "Tokenizers", "Training", "Transport", "Wire", argumentParser, logging,
            ],
            exclude: ["reference"]
        ),

        .testTarget(
            name: "AdaptersTests",
            dependencies: ["Adapters", "Encoders", "Layers", "Sweeps", "Tensors"]
        ),
        .testTarget(name: "CProcessorTests", dependencies: ["CProcessor"]),
        .testTarget(name: "CoordinationTests", dependencies: ["Coordination", "Digests", "Sweeps", "TestSupport"]),
        .testTarget(
            name: "CoordinatorShellTests",
            dependencies: [
                "Coordination", "CoordinatorShell", "Digests", "Files", "Sweeps", "TestSupport", "Transport", "Wire",
            ]
        ),
        .testTarget(name: "DigestsTests", dependencies: ["Digests"]),
        .testTarget(
            name: "EncodersTests",
            dependencies: ["Encoders", "Layers", "Tensors", "TestSupport"],
            exclude: ["Golden"]
        ),
        .testTarget(name: "FetchingTests", dependencies: ["Digests", "Fetching", "Transport"]),
        .testTarget(name: "LaunchersTests", dependencies: ["Digests", "Launchers", "Sweeps"]),
        .testTarget(name: "LayersTests", dependencies: ["Layers", "Tensors", "TestSupport"]),
        .testTarget(
            name: "quintetTests",
            dependencies: [
                "Coordination", "CoordinatorShell", "Digests", "Encoders", "Fetching", "Reports", "Sweeps", "Tasks",
                "TestSupport", "quintet", argumentParser, yams,
            ],
            exclude: ["Golden"]
        ),
        .testTarget(name: "ReportsTests", dependencies: ["Digests", "Reports", "Sweeps"]),
        .testTarget(
            name: "SecurityTests",
            dependencies: [
                "Coordination", "CoordinatorShell", "Digests", "Files", "Sweeps", "TestSupport", "Transport",
                "TransportTestSupport", "Wire", "WorkerShell",
            ] + nio
        ),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation", "TestSupport"]),
        .testTarget(name: "SweepsTests", dependencies: ["Digests", "Sweeps", "TestSupport"]),
        // Real processes: needs the built program.
        .testTarget(
            name: "SystemTests",
            dependencies: ["CoordinatorShell", "Digests", "Files", "Sweeps", "TestSupport", "quintet"],
            exclude: ["Slurm"]
        ),
        .testTarget(name: "TasksTests", dependencies: ["Sweeps", "Tasks", "TestSupport"], exclude: ["Golden"]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"]),
        .testTarget(
            name: "TokenizersTests",
            dependencies: ["Digests", "TestSupport", "Tokenizers"],
            exclude: ["Golden"]
        ),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Adapters", "Digests", "Encoders", "Layers", "Sweeps", "Tasks", "Tensors", "TestSupport", "Tokenizers",
                "Training",
            ],
            exclude: ["Golden"]
        ),
        .testTarget(
            name: "TransportTests",
            dependencies: ["Digests", "TestSupport", "Transport", "TransportTestSupport", "Wire", logging] + nio
        ),
        .testTarget(
            name: "WireTests",
            dependencies: ["Coordination", "Digests", "Files", "Sweeps", "TestSupport", "Wire", nioCore]
        ),
        .testTarget(
            name: "WorkerShellTests",
            dependencies: [
                "Coordination", "CoordinatorShell", "Digests", "Files", "Sweeps", "TestSupport", "Transport",
                "TransportTestSupport", "Wire",
                "WorkerShell",
                logging,
            ]
        ),
    ]
)

/// Elementwise loops are scalar code that the optimiser vectorises, for which it needs AVX2 and FMA at hand; numbers
/// must be the same in debug builds, and the tests bearable.
#if arch(x86_64)
    let processor = ["-Xcc", "-march=x86-64-v3"]
#else
    let processor: [String] = []
#endif
let learningTower: Set = [
    "Tensors", "Layers", "Encoders", "Adapters", "Tokenizers", "Tasks", "Training", "TestSupport",
]

for target in package.targets where target.type != .system && !["CProcessor", "CSQLite"].contains(target.name) {
    var settings: [SwiftSetting] = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .treatAllWarnings(as: .error),
    ]
    if learningTower.contains(target.name.replacing("Tests", with: "")) || target.name == "Benchmarks" {
        settings += [.unsafeFlags(processor), .unsafeFlags(["-O"], .when(configuration: .debug))]
    }
    // Thousands of made-up clusters in a minute.
    if target.name == "Simulation" { settings.append(.unsafeFlags(["-O"], .when(configuration: .debug))) }
    target.swiftSettings = settings
}
