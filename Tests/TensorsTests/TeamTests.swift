import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct TeamTests {
    @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 7, 1000])
    func `every item is done exactly once`(threads: Int, items: Int) {
        let counts = Mutex([Int](repeating: 0, count: items))
        Team(threads: threads).forEach(items) { thread, item in
            #expect((0..<threads).contains(thread))
            counts.withLock { $0[item] += 1 }
        }
        #expect(counts.withLock { $0 } == [Int](repeating: 1, count: items))
    }

    @Test(arguments: [0, 1, 15, 31, 32, 33, 383, 384, 1000, 5000])
    func `slabs cover all rows and columns in order without overlap`(count: Int) {
        for slabs in [Slabs(rows: count), Slabs(columns: count)] {
            #expect((0..<slabs.count).flatMap { Array(slabs[$0]) } == Array(0..<count))
        }
    }

    /// Goal: the number of threads changes no bit. Method: products by slabs, on one and on several threads.
    @Test(arguments: [2, 3, 5])
    func `a product by slabs has the same bits on any number of threads`(threads: Int) {
        let a = randomMatrix(rows: 700, columns: 96, seed: 1)
        let b = randomMatrix(rows: 130, columns: 96, seed: 2)
        func product(_ threads: Int) -> [Float] {
            let c = Matrix(rows: 700, columns: 130)
            let view = c.mutableView
            Team(threads: threads).forEachSlab(ofRows: 700) { rows in
                multiply(a.view.rows(rows), b.view, transposing: .second, into: view.rows(rows))
            }
            return c.view.values
        }
        #expect(product(1) == product(threads))
    }
}
