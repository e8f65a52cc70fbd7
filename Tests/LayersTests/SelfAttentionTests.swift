import Layers
import Tensors
import TestSupport
import Testing

@Suite struct SelfAttentionTests {
    private static func batch(_ lengths: [Int]) -> PackedBatch {
        var batch = PackedBatch()
        for (place, length) in lengths.enumerated() {
            let ids = [Int32](repeating: 0, count: length)
            batch.append(tokenIDs: ids, typeIDs: ids, place: place)
        }
        return batch
    }

    /// Goal: the gradients of query, key and value, with and without dropout, for all tokens and for the first ones.
    /// Method: dropout draws the same numbers at every call, so that finite differences see one fixed function.
    @Test(arguments: [0, 0.4] as [Float], [true, false])
    func `backward matches finite differences`(dropout: Float, isWhole: Bool) {
        let batch = Self.batch([4, 1, 6])
        let attention = SelfAttention(heads: 2, dropoutRate: dropout, site: 3)
        let pass = Pass(team: Team(threads: 2), arena: Arena(), dropout: Dropout(seed: 5, step: 1))
        let rows = isWhole ? batch.tokens : batch.sequences
        let query = randomMatrix(rows: rows, columns: 6, seed: 1)
        let key = randomMatrix(rows: batch.tokens, columns: 6, seed: 2)
        let value = randomMatrix(rows: batch.tokens, columns: 6, seed: 3)
        let weight = randomMatrix(rows: rows, columns: 6, seed: 4)
        let context = Matrix(rows: rows, columns: 6)
        func forward() -> SelfAttention.Saved {
            attention.forward(
                query: query.view,
                key: key.view,
                value: value.view,
                batch: batch,
                into: context.mutableView,
                pass: pass
            )
        }
        func loss() -> Double {
            let mark = pass.arena.mark
            defer { pass.arena.release(to: mark) }
            _ = forward()
            return dot(context.view, weight.view)
        }
        let saved = forward()
        let dQuery = Matrix(rows: rows, columns: 6)
        let dKey = Matrix(rows: batch.tokens, columns: 6)
        let dValue = Matrix(rows: batch.tokens, columns: 6)
        attention.backward(
            weight.view,
            saved: saved,
            batch: batch,
            dQuery: dQuery.mutableView,
            dKey: dKey.mutableView,
            dValue: dValue.mutableView,
            pass: pass
        )
        #expect(maximumRelativeError(dQuery, numericalGradient(of: query.mutableView, loss)) < 5e-3)
        #expect(maximumRelativeError(dKey, numericalGradient(of: key.mutableView, loss)) < 5e-3)
        #expect(maximumRelativeError(dValue, numericalGradient(of: value.mutableView, loss)) < 5e-3)
    }

    @Test func `a sequence's context does not depend on what it is packed with`() {
        let attention = SelfAttention(heads: 1, dropoutRate: 0, site: 0)
        let pass = Pass(team: Team(threads: 1), arena: Arena())
        let x = randomMatrix(rows: 7, columns: 4, seed: 1)
        let together = Matrix(rows: 7, columns: 4)
        let alone = Matrix(rows: 4, columns: 4)
        _ = attention.forward(
            query: x.view,
            key: x.view,
            value: x.view,
            batch: Self.batch([3, 4]),
            into: together.mutableView,
            pass: pass
        )
        let part = x.view.rows(3..<7)
        _ = attention.forward(
            query: part,
            key: part,
            value: part,
            batch: Self.batch([4]),
            into: alone.mutableView,
            pass: pass
        )
        #expect(together.view.rows(3..<7).values == alone.view.values)
    }
}
