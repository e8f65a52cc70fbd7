internal import Adapters
internal import Encoders
internal import Foundation

extension Model {
    /// Starts from what a folder holds: `parameters.safetensors` as training leaves it, an adapter in PEFT's files, or a
    /// whole model's `model.safetensors`. The network is to be built anew afterwards.
    ///
    /// - Throws: ``BackboneError`` for a folder that does not go with the method, the head and the backbone.
    func load(initial folder: String, method: any FineTuningMethod) throws {
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }
        if exists(AttemptFolder.parametersFile) {
            try self.store.load(try Safetensors(path: "\(folder)/\(AttemptFolder.parametersFile)"))
        } else if exists(SavedAdapter.configurationFile) || exists(SavedAdapter.tensorsFile) {
            let adapter = try SavedAdapter(folder: folder)
            try adapter.putHead(into: self.store)
            do {
                try method.takeOver(adapter.updates(), self.configuration, store: self.store)
            } catch let error as InvalidRun {
                throw BackboneError(path: folder, error.description)
            }
        } else if exists("model.safetensors") {
            try self.store.load(try Safetensors(path: folder + "/model.safetensors"))
        } else {
            let names = "\(AttemptFolder.parametersFile), \(SavedAdapter.tensorsFile), model.safetensors"
            throw BackboneError(path: folder, "holds none of \(names)")
        }
    }
}

/// An adapter in the files of Hugging Face's PEFT: LoRA or AdaLoRA, and the head among `modules_to_save`.
struct SavedAdapter {
    static let configurationFile = "adapter_config.json"
    static let tensorsFile = "adapter_model.safetensors"
    private static let configurationBytesLimit = 4 << 20
    private static let alphaRange = 1e-9...1e9

    private let reader: ConfigurationReader
    private let file: Safetensors
    /// Names in the file by ours.
    private let names: [String: String]
    /// What the file's tensors of a layer end with.
    private let ends: [String]
    /// Which modules have an alpha of their own: as PEFT reads them, expressions for the end of a module's name, from one
    /// of its dots on.
    private let alphas: [(expression: Regex<AnyRegexOutput>, alpha: Double)]
    private var isAdaLoRA: Bool { self.ends.count == 3 }

    /// Options that change nothing of what a saved adapter does, or are read here.
    private static let known: Set = [
        "peft_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "task_type",
        "inference_mode", "target_modules", "exclude_modules", "modules_to_save", "layers_to_transform",
        "layers_pattern", "megatron_core", "qalora_group_size", "ephemeral_gpu_offload", "init_lora_weights",
        "eva_config", "r", "lora_alpha", "lora_dropout", "bias", "use_rslora", "rank_pattern", "alpha_pattern",
        "init_r", "target_r", "tinit", "tfinal", "deltaT", "beta1", "beta2", "orth_reg_weight", "total_step",
    ]

    /// - Throws: ``BackboneError`` for files that are missing or damaged, and for options that cannot be taken over.
    init(folder: String) throws {
        let path = "\(folder)/\(Self.configurationFile)"
        let bytes = try File.contents(path: path, limitBytes: Self.configurationBytesLimit)
        try self.init(
            try ConfigurationReader(path: path, bytes: bytes),
            try Safetensors(path: "\(folder)/\(Self.tensorsFile)")
        )
    }

    /// The same of files at hand.
    init(_ reader: ConfigurationReader, _ file: Safetensors) throws {
        try Self.check(reader)
        (self.reader, self.file) = (reader, file)
        self.alphas = try Self.alphas(reader)
        let isAdaLoRA = reader.object["peft_type"] as? String == "ADALORA"
        self.ends = isAdaLoRA ? [".lora_A", ".lora_B", ".lora_E"] : [".lora_A.weight", ".lora_B.weight"]
        var names: [String: String] = [:]
        for name in file.tensors.keys.sorted() {
            let module = Self.module(name).replacing("modules_to_save.", with: "")
            if let other = names.updateValue(name, forKey: BackboneWeights.ownName(module)) {
                throw BackboneError(
                    path: file.path,
                    "tensors \"\(other.prefix(200))\" and \"\(name.prefix(200))\" are the same parameter: keep one"
                )
            }
        }
        self.names = names
    }

    private static func check(_ reader: ConfigurationReader) throws {
        try reader.require("peft_type", ["LORA", "ADALORA"])
        try reader.require("bias", ["none"], whereAbsent: "none")
        if reader.object["init_lora_weights"] is String {
            // The others give the backbone other weights.
            try reader.require("init_lora_weights", ["gaussian", "eva", "orthogonal"])
        }
        for (option, value) in reader.object.sorted(by: { $0.key < $1.key }) where !Self.known.contains(option) {
            let isOff =
                value is NSNull || value as? Bool == false || (value as? [Any])?.isEmpty == true
                || (value as? [String: Any])?.isEmpty == true
            guard isOff else {
                let json = try JSONSerialization.data(withJSONObject: value, options: .fragmentsAllowed)
                throw BackboneError(
                    path: reader.path,
                    "\(option.prefix(80)) is \(String(decoding: json, as: UTF8.self).prefix(80)), which cannot be taken "
                        + "over: give an adapter without it"
                )
            }
        }
    }

    private static func alphas(
        _ reader: ConfigurationReader
    ) throws -> [(expression: Regex<AnyRegexOutput>, alpha: Double)] {
        let patterns = reader.object["alpha_pattern"] as? [String: Any] ?? [:]
        return try patterns.sorted { $0.key < $1.key }.map { pattern, value in
            guard pattern.utf8.count <= 300, let expression = try? Regex("(.*\\.)?(\(pattern))"),
                let alpha = value as? Double, Self.alphaRange.contains(alpha)
            else {
                throw BackboneError(
                    path: reader.path,
                    "alpha_pattern has \(pattern.prefix(200)): \("\(value)".prefix(80)); expected an expression for names of "
                        + "modules and a number from \(Self.alphaRange.lowerBound) to \(Self.alphaRange.upperBound)"
                )
            }
            return (expression, alpha)
        }
    }

    private static func module(_ name: String) -> String { String(name.trimmingPrefix("base_model.model.")) }

    private func error(_ message: String) -> BackboneError { BackboneError(path: self.file.path, message) }

    // MARK: Head

    /// A part that the file lacks stays the backbone's, which PEFT saves nothing of.
    ///
    /// - Throws: ``BackboneError`` where there is neither, and for tensors that belong nowhere.
    func putHead(into store: ParameterStore) throws {
        let head = store.declarations.filter(\.isHead)
        let own = Set(head.map(\.name))
        let others = self.names.filter { name, _ in
            !own.contains(name) && !self.ends.contains { name.hasSuffix($0) }
        }
        if let other = others.values.min() {
            throw self.error("tensor \"\(other.prefix(200))\" is no low-rank update and no part of this task's head")
        }
        for declaration in head {
            guard let name = self.names[declaration.name], let shape = self.file.tensors[name]?.shape else {
                if declaration.source == .backbone { continue }
                let module = declaration.name.split(separator: ".")[0]
                throw self.error("has no \"\(declaration.name)\": save it with \(module) among PEFT's modules_to_save")
            }
            guard shape == declaration.shape else {
                throw self.error(
                    "tensor \"\(name)\" has the shape \(shape); this task's head asks for \(declaration.shape)"
                )
            }
            store.replace(declaration, try self.floats(name))
        }
    }

    // MARK: Updates

    /// By the layer's path.
    ///
    /// - Throws: ``BackboneError`` for tensors that do not go together, or with the configuration.
    func updates() throws -> [String: SavedUpdate] {
        let paths = Set(
            self.names.keys.compactMap { name in
                self.ends.first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) }
            }
        )
        guard !paths.isEmpty else { throw self.error("has no tensor that ends with \(self.ends[0])") }
        var updates: [String: SavedUpdate] = [:]
        for path in paths.sorted() { updates[path] = try self.update(path) }
        return updates
    }

    private func update(_ path: String) throws -> SavedUpdate {
        var parts: [(name: String, shape: [Int])] = []
        for end in self.ends {
            guard let name = self.names[path + end], let shape = self.file.tensors[name]?.shape else {
                throw self.error("has no \(path)\(end) beside the other tensors of that layer: save the adapter anew")
            }
            parts.append((name, shape))
        }
        let (a, b, rank) = (parts[0].shape, parts[1].shape, parts[0].shape.first ?? 0)
        guard a.count == 2, b.count == 2, b[1] == rank, !self.isAdaLoRA || parts[2].shape == [rank, 1] else {
            throw self.error(
                "the tensors of \(path) have the shapes \(parts.map(\.shape)), which are no low-rank update"
            )
        }
        let module = String(Self.module(parts[0].name).dropLast(self.ends[0].count))
        return SavedUpdate(
            a: try self.floats(parts[0].name),
            b: try self.floats(parts[1].name),
            e: self.isAdaLoRA ? try self.floats(parts[2].name) : [Float](repeating: 1, count: rank),
            scale: try self.scale(module, rank: rank),
            places: self.isAdaLoRA ? try self.places(module, rank: rank) : Array(0..<rank)
        )
    }

    private func floats(_ name: String) throws -> [Float] {
        let count = self.file.tensors[name]?.count ?? 0
        return try [Float](unsafeUninitializedCapacity: count) { buffer, written in
            try self.file.copyFloats(name, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            written = count
        }
    }

    private func initialRank() throws -> Int { try self.reader.count("init_r", 1...65536, whereAbsent: 12) }

    /// By which PEFT multiplies the update of a module.
    private func scale(_ module: String, rank: Int) throws -> Double {
        var alpha = try self.reader.number("lora_alpha", Self.alphaRange, whereAbsent: 8)
        if self.isAdaLoRA { return alpha / (Double(try self.initialRank()) + 1e-5) }
        let matches = try self.alphas.filter { try $0.expression.wholeMatch(in: module) != nil }.map(\.alpha)
        guard Set(matches).count <= 1 else {
            throw BackboneError(
                path: self.reader.path,
                "alpha_pattern has \(matches.sorted()) for \(module): keep one"
            )
        }
        alpha = matches.first ?? alpha
        let isRescaled = try self.reader.flag("use_rslora", whereAbsent: false)
        return rank == 0 ? 0 : alpha / (isRescaled ? Double(rank).squareRoot() : Double(rank))
    }

    /// Where the triplets of a module stood, of which the file may hold those alone that were kept.
    private func places(_ module: String, rank: Int) throws -> [Int] {
        let initial = try self.initialRank()
        let patterns = self.reader.object["rank_pattern"] as? [String: Any] ?? [:]
        let pattern = patterns["\(module).lora_E"] ?? patterns["\(module).lora_E.default"]
        let flags = pattern == nil ? [Bool](repeating: true, count: initial) : pattern as? [Bool] ?? []
        let places = flags.indices.filter { flags[$0] }
        guard flags.count == initial, places.count == rank else {
            throw BackboneError(
                path: self.reader.path,
                "rank_pattern keeps \(places.count) of \(flags.count) triplets of \(module), init_r is \(initial) and the "
                    + "tensors have \(rank): save the adapter anew"
            )
        }
        return places
    }
}
