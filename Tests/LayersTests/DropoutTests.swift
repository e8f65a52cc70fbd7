import Layers
import Tensors
import TestSupport
import Testing

@Suite struct DropoutTests {
    private func dropped(step: Int, site: Int, rows: [UInt32], range: Range<Int>? = nil) -> [Float] {
        let x = Matrix(rows: rows.count, columns: 10, [Float](repeating: 1, count: rows.count * 10))
        let pass = Pass(team: Team(threads: 1), arena: Arena(), dropout: Dropout(seed: 1, step: step))
        RowDropout(pass, site: site, rate: 0.5, rows: rows)?.apply(to: x.mutableView, rows: range ?? 0..<rows.count)
        return x.view.values
    }

    @Test func `masks depend on the step, the site and the row, and on nothing else`() {
        let rows: [UInt32] = [
            Dropout.row(place: 0, token: 0), Dropout.row(place: 0, token: 1), Dropout.row(place: 1, token: 0),
        ]
        let mask = self.dropped(step: 1, site: 2, rows: rows)
        #expect(mask == self.dropped(step: 1, site: 2, rows: rows))
        #expect(mask != self.dropped(step: 2, site: 2, rows: rows))
        #expect(mask != self.dropped(step: 1, site: 3, rows: rows))
        #expect(Array(mask[20...]) == self.dropped(step: 1, site: 2, rows: [rows[2]]))
        #expect(Set(mask) == [0, 2])
    }

    @Test func `nothing is dropped in evaluation or at rate 0`() {
        let pass = Pass(team: Team(threads: 1), arena: Arena())
        #expect(RowDropout(pass, site: 0, rate: 0.5, rows: []).map { _ in true } == nil)
        let training = Pass(team: Team(threads: 1), arena: Arena(), dropout: Dropout(seed: 0, step: 0))
        #expect(RowDropout(training, site: 0, rate: 0, rows: []).map { _ in true } == nil)
    }
}
