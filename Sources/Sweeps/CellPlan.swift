/// A resolved hyperparameter, what set it, and who says so.
public struct PlannedValue: Hashable, Sendable {
    public var name: String
    public var value: SettingValue
    public var rule: SettingRule
    /// `nil`: nobody named one.
    public var source: SettingSource?
    /// See ``Setting/decidesResult``.
    public var decidesResult: Bool
}

/// A cell's hyperparameters, for those of its seeds that have them alike.
public struct CellPlan: Hashable, Sendable {
    public var cell: Cell
    public var preset: String?
    public var seeds: [Int]
    /// In the order in which a method lists them; those without a value are absent, and their help tells what that means.
    public var values: [PlannedValue]

    /// Whether a value that decides the result is one that nobody published.
    public var hasOwnValues: Bool { self.values.contains { $0.decidesResult && $0.source?.origin == .ours } }
}

extension SweepDefinition {
    /// What each cell's shards are trained with, in the grid's order; seeds with other overrides apart.
    ///
    /// - Throws: as ``shards()``.
    public func cellPlans() throws -> [CellPlan] {
        var plans: [CellPlan] = []
        for (entry, method, cell) in try self.cells() {
            // Most seeds have the same overrides; other overrides may still be of other methods' settings alone.
            var values: [[Int]: [PlannedValue]] = [:]
            var cellPlans: [CellPlan] = []
            for seed in self.seeds {
                let matching = self.overrides(of: cell, seed: seed)
                let mine =
                    try values[matching]
                    ?? method.planned(
                        self.given(to: cell, by: entry, method, overrides: matching),
                        preset: entry.preset
                    )
                values[matching] = mine
                if let index = cellPlans.firstIndex(where: { $0.values == mine }) {
                    cellPlans[index].seeds.append(seed)
                } else {
                    cellPlans.append(CellPlan(cell: cell, preset: entry.preset, seeds: [seed], values: mine))
                }
            }
            plans += cellPlans
        }
        return plans
    }

    /// The cells with a value that decides their result and that nobody published.
    ///
    /// - Throws: as ``shards()``.
    public func cellsWithOwnValues() throws -> Set<Cell> {
        Set(try self.cellPlans().filter(\.hasOwnValues).map(\.cell))
    }
}

extension MethodDescription {
    /// Every setting that has a value, those at a default included that a shard does not keep.
    fileprivate func planned(_ given: GivenSettings, preset: String?) throws -> [PlannedValue] {
        let resolved = try self.resolve(given.settings)
        return self.allSettings.compactMap { setting in
            let isDropped = !setting.isKeptAtDefault && resolved[setting.name] == nil
            guard let value = resolved[setting.name] ?? (isDropped ? setting.defaultValue : nil) else { return nil }
            var (rule, source) = (SettingRule.builtIn, SettingSource?.none)
            if let said = given.values[setting.name] {
                // Beside a preset, what a grid says without a source is its writer's.
                (rule, source) = (said.rule, said.source ?? (preset == nil ? nil : SettingSource(.ours)))
            } else if setting.name == "checkpoint" {
                (rule, source) = (.follows("protocol"), given.values["protocol"]?.source)
            }
            return PlannedValue(
                name: setting.name,
                value: value,
                rule: rule,
                source: source,
                decidesResult: setting.decidesResult
            )
        }
    }
}
