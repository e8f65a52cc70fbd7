internal import Adapters
internal import Encoders
internal import Foundation
internal import Layers
internal import Sweeps
internal import Tensors

extension TrainedModel {
    /// A file's name and content.
    public typealias ExportedFile = (name: String, bytes: [UInt8])

    /// What others load: where PEFT knows the method, an adapter as `PeftModel.from_pretrained` takes it, the head in
    /// `modules_to_save`; else a whole model as transformers' `from_pretrained` takes it, with the backbone's tokenizer.
    ///
    /// - Parameters:
    ///   - backbone: its name, for PEFT's `base_model_name_or_path`.
    ///   - isMerged: a whole model in any case, with the adapters in its weights.
    ///   - steps: of the run that trained it.
    public func exported(backbone: String, isMerged: Bool, steps: Int) throws -> [ExportedFile] {
        guard !isMerged,
            let adapter = self.method.peftAdapter(self.model.configuration, store: self.model.store, steps: steps)
        else {
            return [("config.json", try self.modelConfiguration()), ("model.safetensors", try self.wholeModel())]
                + self.tokenizerFiles
        }
        guard !adapter.tensors.isEmpty else {
            throw ExportError(
                "no rank of any layer is left, and PEFT loads no adapter without: --merge writes the whole model"
            )
        }
        let more: [String: CanonicalJSON] = [
            "base_model_name_or_path": .text(backbone),
            "inference_mode": .flag(true),
            "modules_to_save": .array(self.headModules.map(CanonicalJSON.text)),
        ]
        let members = adapter.configuration.merging(more.merging(self.taskType) { $1 }) { $1 }
        return [
            ("adapter_config.json", Array((CanonicalJSON.object(members).written + "\n").utf8)),
            ("adapter_model.safetensors", try self.tensors(adapter)),
        ]
    }

    // MARK: Adapter

    /// What the method adds, and the head, under PEFT's names.
    private func tensors(_ adapter: PEFTAdapter) throws -> [UInt8] {
        var writer = SafetensorsWriter(metadata: ["format": "pt"])
        func name(_ own: String) -> String { "base_model.model." + self.model.configuration.publishedName(own) }
        for tensor in adapter.tensors {
            tensor.values.withUnsafeBufferPointer { writer.add(name(tensor.name), shape: tensor.shape, $0) }
        }
        for declaration in self.model.store.declarations where declaration.isHead {
            self.add(declaration, as: name(declaration.name), to: &writer)
        }
        return try writer.bytes()
    }

    private func add(_ declaration: ParameterDeclaration, as name: String, to writer: inout SafetensorsWriter) {
        let value = self.model.store[declaration.name].value
        writer.add(name, shape: declaration.shape, UnsafeBufferPointer(start: value.base, count: declaration.count))
    }

    /// The first parts of the names of the head's modules: `pooler`, `classifier`, `qa_outputs`.
    private var headModules: [String] {
        let names = self.model.store.declarations.filter(\.isHead).compactMap {
            $0.name.split(separator: ".").first.map(String.init)
        }
        return Set(names).sorted()
    }

    /// Of sequences alone: PEFT's class for questions reads no token types, and it has none for choices. Without a type it
    /// wraps the model as it is.
    private var taskType: [String: CanonicalJSON] {
        if case .sequence = self.model.network.head { ["task_type": .text("SEQ_CLS")] } else { [:] }
    }

    // MARK: Whole model

    private func wholeModel() throws -> [UInt8] {
        let merged = try self.mergedWeights()
        var writer = SafetensorsWriter(metadata: ["format": "pt"])
        let configuration = self.model.configuration
        let added = Set(self.method.declarations(configuration).map(\.name))
        for declaration in self.model.store.declarations where !added.contains(declaration.name) {
            let name = configuration.publishedName(declaration.name)
            if let values = merged[declaration.name] {
                values.withUnsafeBufferPointer { writer.add(name, shape: declaration.shape, $0) }
            } else {
                self.add(declaration, as: name, to: &writer)
            }
        }
        return try writer.bytes()
    }

    /// By the weight's name: what adapters have changed.
    private func mergedWeights() throws -> [String: [Float]] {
        var merged: [String: [Float]] = [:]
        for block in 0..<self.model.configuration.layers {
            for layer in LinearLayer.allCases {
                let values = self.model.adaptation.mergedWeight(block: block, layer: layer)
                merged[layer.path(block: block) + ".weight"] = values
            }
        }
        if merged.isEmpty, !self.method.declarations(self.model.configuration).isEmpty {
            throw ExportError(
                "adapters with a bottleneck cannot be merged into weights, and PEFT has no such method: use predict, or "
                    + "train --initial with the shard's parameters.safetensors"
            )
        }
        return merged
    }

    /// The backbone's `config.json` with the class that the model is of, and its labels.
    private func modelConfiguration() throws -> [UInt8] {
        let bytes = try File.contents(path: self.backboneFolder + "/config.json", limitBytes: 1 << 20)
        guard var object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
            preconditionFailure("config.json has been read as an object before")
        }
        let family =
            switch self.model.configuration.architecture {
            case .bert: "Bert"
            case .roberta: "Roberta"
            case .deberta: "DebertaV2"
            }
        let form =
            switch self.model.network.head {
            case .sequence: "SequenceClassification"
            case .candidate: "MultipleChoice"
            case .span: "QuestionAnswering"
            }
        object["architectures"] = ["\(family)For\(form)"]
        if case .sequence = self.model.network.head {
            let names = if case .classes(let names) = self.task.labels { names } else { ["score"] }
            object["id2label"] = Dictionary(uniqueKeysWithValues: names.enumerated().map { (String($0), $1) })
            object["label2id"] = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
            object["problem_type"] = self.task.labels == .score ? "regression" : "single_label_classification"
            object["num_labels"] = nil
        }
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return Array(try JSONSerialization.data(withJSONObject: object, options: options)) + [UInt8(ascii: "\n")]
    }

    private var tokenizerFiles: [ExportedFile] {
        let names = [
            "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
            "vocab.json", "merges.txt", "spm.model",
        ]
        return names.compactMap { name in
            (try? File.contents(path: "\(self.backboneFolder)/\(name)", limitBytes: 64 << 20)).map { (name, $0) }
        }
    }
}

/// A model that no format of PEFT or transformers holds.
public struct ExportError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
