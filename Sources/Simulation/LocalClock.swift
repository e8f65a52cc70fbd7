internal import Coordination

/// A process's clock: it began somewhere and goes too fast or too slowly.
struct LocalClock {
    var offset: Int64 = 0
    /// Of its own seconds in a thousand true ones.
    var perMille: Int64 = 1000

    init() {}

    init(using random: inout SeededGenerator) {
        self.offset = random.number(0...1_000_000_000)
        self.perMille = random.number(900...1100)
    }

    func local(_ now: Instant) -> Instant {
        Instant(milliseconds: self.offset + now.milliseconds * self.perMille / 1000)
    }

    /// When it shows this instant at the earliest.
    func global(_ instant: Instant) -> Int64 {
        let elapsed = max(0, instant.milliseconds - self.offset)
        return (elapsed * 1000 + self.perMille - 1) / self.perMille
    }
}
