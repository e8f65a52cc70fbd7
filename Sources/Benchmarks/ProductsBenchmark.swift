import ArgumentParser
import Tensors

/// Products of the encoders' shapes, beside the best that this machine's core does on any of them.
struct ProductsBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "products",
        abstract: "GFLOP/s of matrix products on one thread and on several."
    )

    @Option(help: "Threads of the second column.")
    var threads = 2

    /// Tokens × input × output: MiniLM's and base's linear layers, LoRA's thin ones.
    private static let shapes = [
        (1024, 384, 384), (1024, 384, 1536), (1024, 1536, 384), (1024, 768, 768), (1024, 768, 3072), (1024, 3072, 768),
        (1024, 384, 8), (1024, 768, 8),
    ]

    func validate() throws {
        if self.threads < 1 { throw ValidationError("--threads is \(self.threads); give at least 1.") }
    }

    func run() {
        print("OpenBLAS on one thread: \(BLAS.useOneThread()); \(BLAS.kernelClass)")
        print(
            "tokens × in × out".padded(20)
                + "   1 thread   \(self.threads) threads   share of \(self.threads) × the best"
        )
        let rates = Self.shapes.map { shape in [1, self.threads].map { Self.rate(shape, threads: $0) } }
        let best = rates.map { $0[0] }.max() ?? 1
        for (shape, rate) in zip(Self.shapes, rates) {
            let share = rate[1] / (best * Double(self.threads)) * 100
            print(
                "\(shape.0) × \(shape.1) × \(shape.2)".padded(20) + aligned(rate[0], width: 11)
                    + aligned(rate[1], width: 12)
                    + aligned(share, digits: 0, width: 12) + " %"
            )
        }
    }

    private static func rate(_ shape: (Int, Int, Int), threads: Int) -> Double {
        let (rows, inner, columns) = shape
        let x = Matrix(rows: rows, columns: inner)
        let w = Matrix(rows: columns, columns: inner)
        let y = Matrix(rows: rows, columns: columns)
        let (xView, wView, yView, team) = (x.view, w.view, y.mutableView, Team(threads: threads))
        let seconds = secondsPerCall {
            team.forEachSlab(ofRows: rows) { slab in
                multiply(xView.rows(slab), wView, transposing: .second, into: yView.rows(slab))
            }
        }
        return 2 * Double(rows * inner * columns) / seconds / 1e9
    }
}
