import Reports
import Sweeps
import Testing

@Suite struct RankMapTests {
    private static func run(_ name: String, ranks: [LayerRanks]?) throws -> RunReport.Run {
        let shards = try ExampleSweep(tasks: ["rte"], methods: ["sora"], seeds: 1).definition.shards()
        var result = exampleResult(of: shards[0], metrics: [:], trainableParameters: 7)
        result.ranks = ranks
        return .init(sweep: "first", backbone: "tiny-random", name: name, result: result)
    }

    /// Two blocks with three adapted matrices, one of them in the second block alone.
    private static func ranks(_ kept: [Int], initial: Int = 8) -> [LayerRanks] {
        let places = [(0, "query"), (0, "output"), (1, "query"), (1, "attentionOutput"), (1, "output")]
        // The order in a result decides nothing.
        return zip(places, kept).reversed().map { place, kept in
            LayerRanks(block: place.0, layer: place.1, initial: initial, final: kept)
        }
    }

    @Test func `kept ranks of one shard`() throws {
        let expected = """
            Kept ranks of rte/sora/0

            block  query  attentionOutput  output
                0      8                –       0
                1      3                1       4

            16 of 40 ranks kept; each layer began with 8.

            """
        let map = try RankMap([Self.run("rte/sora/0", ranks: Self.ranks([8, 0, 3, 1, 4]))])
        #expect(map.terminal(styled: false) == expected)
    }

    @Test func `kept ranks of several shards are averaged`() throws {
        let runs = try [
            Self.run("rte/sora/0", ranks: Self.ranks([8, 0, 3, 1, 4])),
            Self.run("rte/sora/1", ranks: Self.ranks([7, 0, 2, 0, 5])),
            Self.run("cola/sora/1", ranks: Self.ranks([8, 0, 2, 0, 4])),
        ]
        let expected = """
            Kept ranks of rte/sora, cola/sora: mean of 3 shards

            block  query  attentionOutput  output
                0    7.7                –     0.0
                1    2.3              0.3     4.3

            14.7 of 40 ranks kept; each layer began with 8.

            """
        #expect(try RankMap(runs).terminal(styled: false) == expected)
    }

    /// Goal: more kept is never lighter. Method: the background colours of the ranks 0 to 8, in the order of the scale.
    @Test func `a shade stands behind each number on a terminal`() throws {
        let map = try RankMap([Self.run("rte/sora/0", ranks: Self.ranks([8, 0, 3, 1, 4]))])
        let styled = map.terminal(styled: true)
        #expect(styled.contains("    1 \u{1b}[38;5;16;48;5;153m     3 \u{1b}[39;49m"))
        let bare = styled.replacing(/\u{1b}\[[0-9;]+m/, with: "").replacing(/[ ]+\n/, with: "\n")
        #expect(bare == map.terminal(styled: false))
        let colours = try (0...8).map { rank in
            let map = try RankMap([
                Self.run("rte/sora/0", ranks: [.init(block: 0, layer: "key", initial: 8, final: rank)])
            ])
            return try #require(map.terminal(styled: true).firstMatch(of: /48;5;([0-9]+)m/)).output.1
        }
        #expect(colours == ["231", "195", "159", "153", "117", "117", "111", "75", "75"])
    }

    @Test func `kept ranks as SVG`() throws {
        let expected = """
            <svg xmlns="http://www.w3.org/2000/svg" width="508" height="236" viewBox="0 0 508 236" \
            font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222" text-anchor="middle">
            <title>Kept ranks of rte/a&lt;b&amp;c: mean of 2 shards</title>
            <rect width="508" height="236" fill="#fff"/>
            <text x="24" y="32" font-size="16" font-weight="bold" text-anchor="start">Kept ranks of \
            rte/a&lt;b&amp;c: mean of 2 shards</text>
            <text x="234" y="60" fill="#555">matrix</text>
            <text transform="translate(32 124) rotate(-90)" fill="#555">block</text>
            <text x="126" y="86">query</text>
            <text x="234" y="86">attentionOutput</text>
            <text x="342" y="86">output</text>
            <text x="62" y="115" text-anchor="end">0</text>
            <rect x="72" y="96" width="108" height="28" fill="#73b3d9" stroke="#fff" stroke-width="2"/>
            <text x="126" y="115">7.5</text>
            <rect x="180" y="96" width="108" height="28" fill="#eee" stroke="#fff" stroke-width="2"/>
            <text x="234" y="115">–</text>
            <rect x="288" y="96" width="108" height="28" fill="#f7fbff" stroke="#fff" stroke-width="2"/>
            <text x="342" y="115">0.0</text>
            <text x="62" y="143" text-anchor="end">1</text>
            <rect x="72" y="124" width="108" height="28" fill="#cbe3f2" stroke="#fff" stroke-width="2"/>
            <text x="126" y="143">2.5</text>
            <rect x="180" y="124" width="108" height="28" fill="#eef6fc" stroke="#fff" stroke-width="2"/>
            <text x="234" y="143">0.5</text>
            <rect x="288" y="124" width="108" height="28" fill="#a8d0e8" stroke="#fff" stroke-width="2"/>
            <text x="342" y="143">4.5</text>
            <defs><linearGradient id="scale"><stop offset="0" stop-color="#f7fbff"/><stop offset="1" \
            stop-color="#6aaed6"/></linearGradient></defs>
            <rect x="72" y="180" width="216" height="14" fill="url(#scale)" stroke="#999"/>
            <text x="72" y="210">0</text>
            <text x="180" y="210" fill="#555">kept rank</text>
            <text x="288" y="210">8</text>
            <text x="316" y="192" text-anchor="start">15.0 of 40 ranks kept</text>
            </svg>

            """
        let runs = try [
            Self.run("rte/a<b&c/0", ranks: Self.ranks([8, 0, 3, 1, 4])),
            Self.run("rte/a<b&c/1", ranks: Self.ranks([7, 0, 2, 0, 5])),
        ]
        #expect(try RankMap(runs).svg == expected)
    }

    @Test func `a layer that was given more ranks stretches the scale`() throws {
        let map = try RankMap([Self.run("rte/alora/0", ranks: Self.ranks([8, 9, 12, 8, 8]))])
        #expect(map.svg.contains("<text x=\"288\" y=\"210\">12</text>"))
        #expect(map.terminal(styled: true).contains("\u{1b}[38;5;16;48;5;75m    12 \u{1b}"))
    }

    @Test func `what makes no picture is told`() throws {
        let none = try Self.run("rte/full/0", ranks: nil)
        let some = try Self.run("rte/sora/0", ranks: Self.ranks([8, 0, 3, 1, 4]))
        let other = try Self.run("rte/sora/1", ranks: Self.ranks([8, 0, 3, 1, 4], initial: 12))
        let first = #expect(throws: RanksMissing.self) { try RankMap([some, none]) }
        #expect(
            first?.description
                == "rte/full/0 tells no ranks; name shards of a method that has them, such as sora"
        )
        let second = #expect(throws: RanksMissing.self) { try RankMap([some, other]) }
        #expect(
            second?.description == "rte/sora/0 and rte/sora/1 began with different ranks; show them one by one"
        )
    }
}
