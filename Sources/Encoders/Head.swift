/// What stands on an encoder, as one of HF's classes builds it.
public enum Head: Hashable, Sendable {
    /// `…ForSequenceClassification`: outputs of the first token's hidden state; with one of them it is a regression.
    case sequence(outputs: Int)
    /// `…ForMultipleChoice`: one output of the first token's hidden state, which scores a candidate.
    case candidate
    /// `…ForQuestionAnswering`: two outputs of each token's hidden state: that an answer starts and that it ends there.
    case span

    public var outputs: Int {
        switch self {
        case .sequence(let outputs): outputs
        case .candidate: 1
        case .span: 2
        }
    }

    /// Whether it reads all tokens, and not the first alone.
    public var readsEveryToken: Bool { self == .span }
}

extension EncoderConfiguration {
    /// The path of the layer between the first token's hidden state and the last layer; nil where there is none.
    func poolerPath(_ head: Head) -> String? {
        switch (head, self.architecture) {
        case (.span, _): nil
        case (.sequence, .roberta): "classifier.dense"
        case (.sequence, _), (.candidate, _): "pooler.dense"
        }
    }

    /// The path of the last layer.
    func outputPath(_ head: Head) -> String {
        switch (head, self.architecture) {
        case (.span, _): "qa_outputs"
        case (.sequence, .roberta): "classifier.out_proj"
        case (.sequence, _), (.candidate, _): "classifier"
        }
    }

    /// The dropout before the layer in front of the last, and after it.
    func poolerDropout(_ head: Head) -> (before: Float, after: Float) {
        switch (self.architecture, head) {
        case (.bert, _): (0, self.classifierDropout)
        case (.roberta, .candidate): (0, self.hiddenDropout)
        case (.roberta, _): (self.classifierDropout, self.classifierDropout)
        case (.deberta(let deberta), _): (deberta.poolerDropout, self.classifierDropout)
        }
    }

    /// A head's parameters.
    ///
    /// - Parameter isInFile: whether the backbone's files have a parameter of this name and shape; others are new.
    public func headDeclarations(
        _ head: Head,
        isTrainable: Bool = true,
        isInFile: (_ name: String, _ shape: [Int]) -> Bool
    ) -> [ParameterDeclaration] {
        var parameters: [(String, [Int])] = []
        if let path = self.poolerPath(head) {
            parameters += [(path + ".weight", [self.hidden, self.hidden]), (path + ".bias", [self.hidden])]
        }
        let path = self.outputPath(head)
        parameters += [(path + ".weight", [head.outputs, self.hidden]), (path + ".bias", [head.outputs])]
        return parameters.map { name, shape in
            let new = shape.count > 1 ? ParameterDeclaration.Source.normal(self.initializerRange) : .zeros
            return ParameterDeclaration(
                name: name,
                shape: shape,
                source: isInFile(name, shape) ? .backbone : new,
                isTrainable: isTrainable,
                isHead: true
            )
        }
    }
}
