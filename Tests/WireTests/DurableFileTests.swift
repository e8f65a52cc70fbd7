import Files
import Foundation
import Testing

@Suite struct DurableFileTests {
    /// Goal: a file is read whole up to the limit and not beyond it, and takes memory by its size, not by the limit.
    /// Method: a limit of a pebibyte, which no machine has; a device that says it has no bytes and gives many.
    @Test func `a file is read up to the limit`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "durable-\(UUID().uuidString)").path
        defer { unlink(file) }
        #expect(try DurableFile.read(file, bytesLimit: 10) == nil)
        for count in [0, 1, 9, 10] {
            let bytes = [UInt8](repeating: 7, count: count)
            try DurableFile.write(bytes, to: file)
            #expect(try DurableFile.read(file, bytesLimit: 10) == bytes)
            #expect(try DurableFile.read(file, bytesLimit: 1 << 50) == bytes)
        }
        try DurableFile.write([UInt8](repeating: 7, count: 11), to: file)
        #expect(throws: StorageError.self) { try DurableFile.read(file, bytesLimit: 10) }
        #expect(throws: StorageError.self) { try DurableFile.read("/dev/zero", bytesLimit: 100_000) }
        #expect(try DurableFile.read("/dev/null", bytesLimit: 10) == [])
    }
}
