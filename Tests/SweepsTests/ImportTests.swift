import Foundation
import Testing

@Suite struct ImportTests {
    /// Goal: the pure modules stay pure: no files, no sockets, no clocks.
    @Test(arguments: ["Coordination", "Sweeps"])
    func `pure modules import no I/O`(module: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let folder = root.appending(path: "Sources/\(module)")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count > 3)
        for file in files {
            var imports: Set<Substring> = []
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let words = line.split(separator: " ").suffix(2)
                if words.count == 2, words.first == "import", let name = words.last { imports.insert(name) }
            }
            #expect(imports.isSubset(of: ["Digests", "Sweeps", "Yams"]), "\(file.lastPathComponent): \(imports)")
        }
    }
}
