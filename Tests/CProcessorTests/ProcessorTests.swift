import CProcessor
import Foundation
import Testing

@Suite struct ProcessorTests {
    /// Goal: the check agrees with the kernel's own list of features. Method: the flags of `/proc/cpuinfo`, in which
    /// `abm` stands for lzcnt and `xsave` appears where the system saves vector registers.
    @Test(.enabled(if: Self.flags != nil, "only x86 Linux lists its features in /proc/cpuinfo"))
    func `missing features are those that the kernel does not list`() throws {
        let flags = try #require(Self.flags)
        let needed = ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "abm"]
        let expected = needed.filter { !flags.contains($0) }.map { $0 == "abm" ? "lzcnt" : $0 }
        let missing = String(cString: processor_missing_features()).split(separator: ", ").map(String.init)
        #expect(missing.sorted() == expected.sorted())
    }

    @Test(.enabled(if: Self.flags != nil, "only x86 Linux lists its features in /proc/cpuinfo"))
    func `AVX-512 is there where the kernel lists it`() throws {
        let flags = try #require(Self.flags)
        let skylake: Set = ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"]
        #expect((processor_has_avx512() != 0) == skylake.isSubset(of: flags))
        let cooperLake = skylake.union(["avx512_vnni", "avx512_bf16"])
        #expect((processor_has_avx512_bf16() != 0) == cooperLake.isSubset(of: flags))
    }

    @Test func `the answer is the same when asked again`() {
        let first = String(cString: processor_missing_features())
        #expect(String(cString: processor_missing_features()) == first)
    }

    @Test func `the processor has a name without blanks around it`() {
        let name = String(cString: processor_name())
        #expect(!name.isEmpty)
        #expect(name == name.trimmingCharacters(in: .whitespaces))
    }

    private static var flags: Set<String>? {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") }),
            let list = line.split(separator: ":").last
        else { return nil }
        return Set(list.split(separator: " ").map(String.init))
    }
}
