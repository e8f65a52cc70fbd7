import ArgumentParser
import CoordinatorShell
import Digests
import Foundation
import Wire

/// `quintet workers`
struct Workers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the machines that have joined or ask to: their state, and until when their certificates last."
    )

    @OptionGroup var state: StateOptions

    func run() async throws {
        let workers = try await self.state.coordinator().workers()
        Terminal.standardOutput.write(Self.text(workers))
    }

    /// One line a worker.
    static func text(_ workers: [WorkerRecord]) -> String {
        guard !workers.isEmpty else { return "no worker has joined yet\n" }
        let rows = workers.map { worker in
            [
                worker.name, Self.state(of: worker), worker.place ?? "", Self.certificate(of: worker),
                "key \(worker.keyDigest.short)",
            ]
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }

    private static func state(of worker: WorkerRecord) -> String {
        switch (worker.state, worker.isConnected) {
        case (.waiting, _): "waits for approval"
        case (.banned, _): "banned"
        case (.active, true): "connected"
        case (.active, false): "away"
        case (.active, nil): "active"
        }
    }

    private static func certificate(of worker: WorkerRecord) -> String {
        guard let end = worker.certificateEndSeconds else { return "no certificate" }
        let date = Date(timeIntervalSince1970: TimeInterval(end))
        return "certificate until \(date.formatted(.iso8601))"
    }
}
