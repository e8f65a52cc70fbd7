import Foundation

/// A backbone's folder with something missing, damaged or not supported.
public struct BackboneError: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: String
    public let message: String

    public init(path: String, _ message: String) {
        self.path = path
        self.message = message
    }

    public var description: String { "\(self.path): \(self.message)" }
}

/// Values of a `config.json`, or of another file like it, checked.
package struct ConfigurationReader {
    package let path: String
    package let object: [String: Any]

    /// - Throws: ``BackboneError`` for what is no JSON.
    package init(path: String, bytes: [UInt8]) throws {
        self.path = path
        do {
            self.object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] ?? [:]
        } catch {
            throw BackboneError(path: path, "not JSON: \(error.localizedDescription)")
        }
    }

    package func require(_ key: String, _ supported: [String], whereAbsent: String? = nil) throws {
        let value = self.object[key] as? String ?? whereAbsent ?? "absent"
        guard supported.contains(value) else {
            throw BackboneError(
                path: self.path,
                "\(key) is \"\(value.prefix(80))\"; supported: \(supported.joined(separator: ", "))"
            )
        }
    }

    func count(_ key: String, _ range: ClosedRange<Int>) throws -> Int {
        guard let value = self.object[key] as? Int, range.contains(value) else {
            throw BackboneError(
                path: self.path,
                "\(key) is \(self.shown(key)); expected a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return value
    }

    package func number(_ key: String, _ range: ClosedRange<Double>, whereAbsent: Double) throws -> Double {
        guard let given = self.object[key] else { return whereAbsent }
        guard let value = given as? Double, range.contains(value) else {
            throw BackboneError(
                path: self.path,
                "\(key) is \(self.shown(key)); expected a number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return value
    }

    func isType(_ name: String) -> Bool { self.object["model_type"] as? String == name }

    func isAbsent(_ key: String) -> Bool { self.object[key] == nil || self.object[key] is NSNull }

    package func count(_ key: String, _ range: ClosedRange<Int>, whereAbsent: Int) throws -> Int {
        self.isAbsent(key) ? whereAbsent : try self.count(key, range)
    }

    package func flag(_ key: String, whereAbsent: Bool) throws -> Bool {
        guard !self.isAbsent(key) else { return whereAbsent }
        guard let value = self.object[key] as? Bool else {
            throw BackboneError(path: self.path, "\(key) is \(self.shown(key)); expected true or false")
        }
        return value
    }

    /// A list of words, or one text with `|` between them.
    func words(_ key: String, _ supported: [String]) throws -> Set<String> {
        guard !self.isAbsent(key) else { return [] }
        let list =
            self.object[key] as? [String]
            ?? (self.object[key] as? String)?.lowercased().split(separator: "|").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
        guard let list, list.allSatisfy(supported.contains) else {
            throw BackboneError(
                path: self.path,
                "\(key) is \(self.shown(key)); supported: \(supported.joined(separator: ", "))"
            )
        }
        return Set(list)
    }

    func padding(whereAbsent: Int, below vocabulary: Int) throws -> Int {
        try self.count("pad_token_id", 0...vocabulary - 1, whereAbsent: whereAbsent)
    }

    func rate(_ key: String) throws -> Float { Float(try self.number(key, 0...0.99, whereAbsent: 0.1)) }

    private func shown(_ key: String) -> String { self.object[key].map { String("\($0)".prefix(80)) } ?? "absent" }
}
