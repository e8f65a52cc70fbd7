import Fetching
import Foundation
import Testing

@testable import quintet

@Suite struct FetchDisplayTests {
    private let events: [FetchEvent] = [
        .trying(name: "b", source: "here"), .progress(file: "f", bytes: 1_500_000, total: 3_000_000),
        .failed(name: "b", source: "here", reason: "no\nroute\u{1b}[31m"), .fetched(name: "b", source: "there"),
    ]

    private func written(isInteractive: Bool) throws -> String {
        let pipe = Pipe()
        let terminal = Terminal(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        let display = FetchDisplay(terminal: terminal, isInteractive: isInteractive)
        self.events.forEach(display.show)
        try pipe.fileHandleForWriting.close()
        return String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    }

    @Test func `where nobody watches there are lines and no codes`() throws {
        let expected = "fetching b from here\nno b from here: no route [31m\nfetched b from there\n"
        #expect(try self.written(isInteractive: false) == expected)
    }

    @Test func `on a terminal the bytes are followed on one line, which goes away`() throws {
        let expected = """
            fetching b from here
            \rf  1.5 of 3.0 MB  50 %\u{1b}[K\r\u{1b}[Kno b from here: no route [31m
            fetched b from there

            """
        #expect(try self.written(isInteractive: true) == expected)
    }

    @Test func `sizes and rates are told in megabytes`() {
        let whole = progressLine(file: "model", bytes: 90_900_000, total: 90_900_000, bytesPerSecond: 12_340_000)
        #expect(whole == "model  90.9 of 90.9 MB  100 %  12.3 MB/s")
        #expect(progressLine(file: "model", bytes: 0, total: nil, bytesPerSecond: nil) == "model  0.0 MB")
    }

    @Test func `the list tells what is in the cache`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "list-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let place = folder.appending(path: "backbones/tiny-random")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        try Data().write(to: place.appending(path: "config.json"))
        let lines = Catalogue.quintet.listed(in: Cache(folder: folder)).split(separator: "\n")
        #expect(lines.contains("offline           data      not in the cache"))
        #expect(
            lines.contains { $0.hasPrefix("tiny-random       backbone  ") && $0.hasSuffix("backbones/tiny-random") }
        )
    }
}
