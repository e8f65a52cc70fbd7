// The kept ranks as a picture: the grid of the terminal with colours that do not come in steps, and a legend.

extension RankMap {
    /// The whole file, ending with a line feed.
    public var svg: String {
        let grid = (width: self.layers.count * Self.cell.width, height: self.blocks.count * Self.cell.height)
        // A letter is at most so wide; viewers' fonts differ.
        let texts = [24 + self.title.count * 10, Self.origin.x + Self.legendWidth + 28 + self.summary.count * 8]
        let width = ([Self.origin.x + grid.width] + texts).reduce(0, max) + 24
        let height = Self.origin.y + grid.height + 84
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" "
                + "viewBox=\"0 0 \(width) \(height)\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" "
                + "fill=\"#222\" text-anchor=\"middle\">",
            "<title>\(escaped(self.title))</title>",
            "<rect width=\"\(width)\" height=\"\(height)\" fill=\"#fff\"/>",
            "<text x=\"24\" y=\"32\" font-size=\"16\" font-weight=\"bold\" text-anchor=\"start\">"
                + "\(escaped(self.title))</text>",
            label("matrix", x: Self.origin.x + grid.width / 2, y: 60),
            "<text transform=\"translate(32 \(Self.origin.y + grid.height / 2)) rotate(-90)\" fill=\"#555\">block</text>",
        ]
        lines += self.layers.enumerated().map { column, layer in
            text(escaped(layer), x: Self.centre(column), y: Self.origin.y - 10)
        }
        lines += self.blocks.indices.flatMap(self.row)
        lines += self.legend(y: Self.origin.y + grid.height + 28)
        return (lines + ["</svg>"]).map { $0 + "\n" }.joined()
    }

    private static let origin = (x: 72, y: 96)
    private static let cell = (width: 108, height: 28)
    private static let legendWidth = 216

    private static func centre(_ column: Int) -> Int { Self.origin.x + column * Self.cell.width + Self.cell.width / 2 }

    /// The block's number, and a rectangle with a number for each matrix.
    private func row(_ row: Int) -> [String] {
        let top = Self.origin.y + row * Self.cell.height
        let number =
            "<text x=\"\(Self.origin.x - 10)\" y=\"\(top + 19)\" text-anchor=\"end\">\(self.blocks[row])</text>"
        return [number]
            + self.layers.indices.flatMap { column -> [String] in
                let rank = self.kept[row][column]
                let left = Self.origin.x + column * Self.cell.width
                let fill = rank.map { Self.colour(self.shade($0)) } ?? "#eee"
                return [
                    "<rect x=\"\(left)\" y=\"\(top)\" width=\"\(Self.cell.width)\" height=\"\(Self.cell.height)\" "
                        + "fill=\"\(fill)\" stroke=\"#fff\" stroke-width=\"2\"/>",
                    text(rank.map(self.written) ?? "–", x: Self.centre(column), y: top + 19),
                ]
            }
    }

    /// A bar from 0 to the scale's end, and what was kept in all.
    private func legend(y: Int) -> [String] {
        let (left, width) = (Self.origin.x, Self.legendWidth)
        let below = y + 30
        return [
            "<defs><linearGradient id=\"scale\"><stop offset=\"0\" stop-color=\"\(Self.colour(0))\"/>"
                + "<stop offset=\"1\" stop-color=\"\(Self.colour(1))\"/></linearGradient></defs>",
            "<rect x=\"\(left)\" y=\"\(y)\" width=\"\(width)\" height=\"14\" fill=\"url(#scale)\" stroke=\"#999\"/>",
            text("0", x: left, y: below),
            label("kept rank", x: left + width / 2, y: below),
            text(String(self.scaleEnd), x: left + width, y: below),
            "<text x=\"\(left + width + 28)\" y=\"\(y + 12)\" text-anchor=\"start\">\(self.summary)</text>",
        ]
    }

    /// Almost white to a light blue, on which black is read.
    private static func colour(_ shade: Double) -> String {
        let ends: [(from: Double, to: Double)] = [(247, 106), (251, 174), (255, 214)]
        let parts = ends.map { Int(($0.from + (($0.to - $0.from) * shade)).rounded()) }
        return "#" + parts.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

private func text(_ text: String, x: Int, y: Int) -> String { "<text x=\"\(x)\" y=\"\(y)\">\(text)</text>" }

/// The name of an axis.
private func label(_ text: String, x: Int, y: Int) -> String {
    "<text x=\"\(x)\" y=\"\(y)\" fill=\"#555\">\(text)</text>"
}

private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
}
