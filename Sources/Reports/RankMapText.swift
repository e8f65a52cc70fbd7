// The kept ranks on a terminal: a line a block, a column a matrix.

extension RankMap {
    /// Text that ends with a line feed.
    ///
    /// - Parameter styled: with a shade behind each number.
    public func terminal(styled: Bool) -> String {
        let blocks = (["block"] + self.blocks.map(String.init)).map { $0.padded(to: 5, isLeft: false) }
        let numbers = self.kept.map { $0.map { $0.map(self.written) ?? "–" } }
        let widths = self.layers.indices.map { layer in
            ([self.layers[layer]] + numbers.map { $0[layer] }).map(\.count).max() ?? 0
        }
        func line(_ block: String, _ cells: [String]) -> String { "\(block) \(cells.joined())".withoutTrailingBlanks }
        let header = zip(self.layers, widths).map { " \($0.padded(to: $1, isLeft: false)) " }
        let rows = zip(self.kept, numbers).map { ranks, numbers in
            self.layers.indices.map { layer in
                let cell = " \(numbers[layer].padded(to: widths[layer], isLeft: false)) "
                guard styled, let rank = ranks[layer] else { return cell }
                return "\u{1b}[38;5;16;48;5;\(Self.colours[self.step(rank)])m\(cell)\u{1b}[39;49m"
            }
        }
        let lines = [line(blocks[0], header)] + zip(blocks.dropFirst(), rows).map(line)
        return "\(self.title)\n\n\(lines.map { $0 + "\n" }.joined())\n\(self.summary); each layer began with "
            + "\(self.beginning).\n"
    }

    private var beginning: String {
        self.initialTotal == self.initial * self.kept.joined().count { $0 != nil }
            ? "\(self.initial)" : "up to \(self.initial)"
    }

    /// Of the 256 colours of terminals: white to a light blue, on which black is read.
    private static let colours = [231, 195, 159, 153, 117, 111, 75]

    /// Nothing kept has the first colour alone.
    private func step(_ rank: Double) -> Int {
        rank <= 0 ? 0 : 1 + min(Self.colours.count - 2, Int(self.shade(rank) * Double(Self.colours.count - 1)))
    }
}
