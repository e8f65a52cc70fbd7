"""Writes the golden files of RoBERTa and DeBERTa from HF transformers, computed in float64.

    python Tests/Reference/make_backbone_golden.py

needs: torch, transformers, safetensors. The versions used stand in the metadata of the written files, which are, for
each small random model in `CASES`,

    Tests/EncodersTests/Golden/NAME/config.json          as transformers saves it
    Tests/EncodersTests/Golden/NAME/model.safetensors    its weights, HF names, head of two classes
    Tests/EncodersTests/Golden/NAME/values.safetensors

with, in the last (`tokens` counts all tokens of the batch, packed one sequence after another, no padding):

    input_ids, type_ids  [tokens] int32          lengths [sequences] int32
    hidden               [tokens, hidden]        output of the last block
    logits               [sequences, 2]          labels [sequences] int32       loss []
    gradient.NAME        as the parameter        of `loss` (mean cross-entropy), where the loss depends on it

and Tests/EncodersTests/Golden/relative-positions.safetensors with, for each of `BUCKETS`,

    BUCKETS.MAXIMUM      [length] int32          the bucket of each distance from 0 on
"""

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

from make_encoder_golden import gradients, packed

GOLDEN = Path(__file__).resolve().parent.parent / "EncodersTests" / "Golden"
SMALL = dict(
    vocab_size=60,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=48,
    num_labels=2,
)
V3 = dict(
    type_vocab_size=0,
    relative_attention=True,
    position_buckets=8,
    max_relative_positions=-1,
    norm_rel_ebd="layer_norm",
    share_att_key=True,
    pos_att_type="p2c|c2p",
    position_biased_input=False,
    pad_token_id=0,
)
CASES = {
    # The second sequence has padding as a token of its text.
    "roberta": (
        transformers.RobertaConfig,
        dict(SMALL, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1),
        [5, 12, 1, 8, 46],
    ),
    # As DeBERTa-v3; the last sequence reaches beyond the buckets of its own rows.
    "deberta-v3": (transformers.DebertaV2Config, dict(SMALL, **V3), [5, 12, 1, 8, 48]),
    # As DeBERTa-v2-xlarge: a convolution.
    "deberta-convolution": (
        transformers.DebertaV2Config,
        dict(SMALL, **V3, conv_kernel_size=3, conv_act="gelu", attention_head_size=8),
        [7, 2, 1, 20],
    ),
    # Everything else that a configuration can ask for.
    "deberta-other": (
        transformers.DebertaV2Config,
        dict(
            SMALL,
            **V3
            | dict(
                type_vocab_size=2,
                position_buckets=-1,
                max_relative_positions=6,
                norm_rel_ebd="none",
                share_att_key=False,
                position_biased_input=True,
            ),
            embedding_size=16,
            conv_kernel_size=5,
            pooler_hidden_act="tanh",
        ),
        [9, 3, 1, 15],
    ),
    # One block: the convolution stands beside the last.
    "deberta-one-block": (
        transformers.DebertaV2Config,
        dict(SMALL, **V3 | dict(pos_att_type="c2p", share_att_key=False), conv_kernel_size=3)
        | dict(num_hidden_layers=1),
        [4, 11, 1],
    ),
}


BUCKETS = [(256, 512, 512), (8, 48, 64), (5, 33, 40), (2, 8, 8), (32, 16, 16)]


def make_model(kind, settings):
    config = kind(**settings)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    generator = torch.Generator().manual_seed(30)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.2
            parameter.copy_(noise + 1 if "LayerNorm.weight" in name else noise)
    return model.eval()


def batch(config, lengths, generator):
    """Padded ids, type ids and mask: each sequence's second part (from two fifths on) is of type 1, where types are."""
    width = max(lengths)
    ids = torch.full((len(lengths), width), config.pad_token_id)
    types = torch.zeros_like(ids)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(3, config.vocab_size, (length,), generator=generator)
        types[row, (2 * length + 4) // 5 : length] = 1
        mask[row, :length] = 1
    if config.model_type == "roberta":
        ids[1, 3] = config.pad_token_id
    return ids, types, mask


def metadata():
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return {"made_by": f"Tests/Reference/make_backbone_golden.py with {versions}"}


def write(name, kind, settings, lengths):
    model = make_model(kind, settings)
    weights = {key: tensor.float().contiguous().clone() for key, tensor in model.state_dict().items()}
    config = model.config
    model = model.double()
    generator = torch.Generator().manual_seed(31)
    ids, types, mask = batch(config, lengths, generator)
    labels = torch.tensor([1, 0, 1, 1, 0])[: len(lengths)]
    # Without types a model is given zeros; ours gets the types all the same and must not look at them.
    given = types if config.type_vocab_size > 1 else torch.zeros_like(types)
    inputs = dict(input_ids=ids, token_type_ids=given, attention_mask=mask)
    hidden = model.base_model(**inputs).last_hidden_state
    whole = model(**inputs, labels=labels)
    values = {"hidden": packed(hidden, lengths), "logits": whole.logits, "loss": whole.loss}
    values |= gradients(model, whole.loss, "gradient.")
    values = {key: tensor.detach().float().contiguous() for key, tensor in values.items()}
    values["input_ids"] = packed(ids, lengths).int()
    values["type_ids"] = packed(types, lengths).int()
    values["lengths"] = torch.tensor(lengths, dtype=torch.int32)
    values["labels"] = labels.int()

    folder = GOLDEN / name
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata())
    save_file(values, folder / "values.safetensors", metadata())
    text = json.dumps(config.to_diff_dict() | {"model_type": config.model_type}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")


def main():
    for name, (kind, settings, lengths) in CASES.items():
        write(name, kind, settings, lengths)
    distances = {
        f"{buckets}.{maximum}": make_log_bucket_position(torch.arange(length), buckets, maximum).int()
        for buckets, maximum, length in BUCKETS
    }
    save_file(distances, GOLDEN / "relative-positions.safetensors", metadata())


if __name__ == "__main__":
    main()
