"""Writes the golden files of the encoder's tests from HF transformers, computed in float64.

    python Tests/Reference/make_encoder_golden.py

needs: torch, transformers, safetensors. The versions used stand in the metadata of the written files, which are

    Tests/EncodersTests/Golden/config.json              configuration of a small BERT
    Tests/EncodersTests/Golden/bert-tiny.safetensors    its weights, HF names, two-class head
    Tests/EncodersTests/Golden/bert-tiny-values.safetensors

with, in the last (`tokens` counts all tokens of the batch, packed one sequence after another, no padding):

    input_ids, type_ids  [tokens] int32          lengths [sequences] int32
    embeddings           [tokens, hidden]        output of the embedding layer, after its LayerNorm
    hidden.1             [tokens, hidden]        output of the first block
    hidden               [tokens, hidden]        output of the last block
    pooled               [sequences, hidden]     tanh pooler
    logits               [sequences, 2]          labels [sequences] int32       loss []
    gradient.NAME        as the parameter        of `loss` (mean cross-entropy)
    score.weight, score.bias                     a head with one output, on the same encoder
    score.logits         [sequences, 1]          score.labels [sequences] float  score.loss []
    score.gradient.NAME  as the parameter        of `score.loss` (mean squared error)
"""

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "EncodersTests" / "Golden"
LENGTHS = [5, 12, 1, 8]


def make_model():
    config = transformers.BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        type_vocab_size=2,
        num_labels=2,
    )
    config._attn_implementation = "eager"
    model = transformers.BertForSequenceClassification(config)
    generator = torch.Generator().manual_seed(20)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.1
            is_scale = "LayerNorm.weight" in name
            parameter.copy_(noise + 1 if is_scale else noise)
    return model.eval()


def batch(lengths, generator):
    """Padded ids, type ids and mask: each sequence's second part (from two fifths on) is of type 1."""
    width = max(lengths)
    ids = torch.zeros(len(lengths), width, dtype=torch.long)
    types = torch.zeros_like(ids)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, 100, (length,), generator=generator)
        types[row, (2 * length + 4) // 5 : length] = 1
        mask[row, :length] = 1
    return ids, types, mask


def packed(padded, lengths):
    return torch.cat([padded[row, :length] for row, length in enumerate(lengths)])


def gradients(model, loss, prefix):
    model.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True)
    return {f"{prefix}{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}


def main():
    model = make_model()
    weights = {name: tensor.float().contiguous() for name, tensor in model.state_dict().items()}
    model = model.double()
    generator = torch.Generator().manual_seed(21)
    ids, types, mask = batch(LENGTHS, generator)
    labels = torch.tensor([1, 0, 1, 1])
    scores = torch.tensor([4.2, 0.0, 2.75, 5.0], dtype=torch.float64)
    score_head = torch.nn.Linear(32, 1).double()
    with torch.no_grad():
        for parameter in score_head.parameters():
            parameter.copy_((torch.randn(parameter.shape, generator=generator) * 0.1).float())

    encoded = model.bert(input_ids=ids, token_type_ids=types, attention_mask=mask, output_hidden_states=True)
    logits = model.classifier(encoded.pooler_output)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    whole = model(input_ids=ids, token_type_ids=types, attention_mask=mask, labels=labels)
    assert torch.equal(whole.logits, logits) and torch.equal(whole.loss, loss)
    score_logits = score_head(encoded.pooler_output)
    score_loss = torch.nn.functional.mse_loss(score_logits.squeeze(-1), scores)

    values = {
        "embeddings": packed(encoded.hidden_states[0], LENGTHS),
        "hidden.1": packed(encoded.hidden_states[1], LENGTHS),
        "hidden": packed(encoded.last_hidden_state, LENGTHS),
        "pooled": encoded.pooler_output,
        "logits": logits,
        "loss": loss,
        "score.weight": score_head.weight,
        "score.bias": score_head.bias,
        "score.logits": score_logits,
        "score.labels": scores,
        "score.loss": score_loss,
    }
    values |= gradients(model, loss, "gradient.")
    score_head.zero_grad()
    values |= gradients(model, score_loss, "score.gradient.")
    values["score.gradient.score.weight"] = score_head.weight.grad
    values["score.gradient.score.bias"] = score_head.bias.grad
    values = {name: tensor.detach().float().contiguous() for name, tensor in values.items()}
    values["input_ids"] = packed(ids, LENGTHS).int()
    values["type_ids"] = packed(types, LENGTHS).int()
    values["lengths"] = torch.tensor(LENGTHS, dtype=torch.int32)
    values["labels"] = labels.int()

    # One entry: the order of several is not fixed, and the files would be others at each run.
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    metadata = {"made_by": f"Tests/Reference/make_encoder_golden.py with {versions}"}
    GOLDEN.mkdir(parents=True, exist_ok=True)
    save_file(weights, GOLDEN / "bert-tiny.safetensors", metadata)
    save_file(values, GOLDEN / "bert-tiny-values.safetensors", metadata)
    config = model.config.to_dict()
    kept = [
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings",
        "type_vocab_size", "layer_norm_eps", "initializer_range", "pad_token_id",
    ]  # fmt: skip
    text = json.dumps({key: config[key] for key in kept}, indent=2)
    (GOLDEN / "config.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
