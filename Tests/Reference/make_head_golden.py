"""Writes the golden files of the heads for spans and candidates from HF transformers, computed in float64.

    python Tests/Reference/make_head_golden.py

needs: torch, transformers, safetensors. The versions used stand in the metadata of the written files, which are, for
each small random model in `CASES`,

    Tests/EncodersTests/Golden/heads-NAME/config.json          as transformers saves it
    Tests/EncodersTests/Golden/heads-NAME/model.safetensors    the weights of both, HF names
    Tests/EncodersTests/Golden/heads-NAME/span.safetensors     …ForQuestionAnswering
    Tests/EncodersTests/Golden/heads-NAME/candidate.safetensors  …ForMultipleChoice

with, in the last two (`tokens` counts all tokens of the batch, packed one sequence after another, no padding):

    input_ids, type_ids  [tokens] int32          lengths [sequences] int32
    logits               [tokens, 2], [sequences, 1]
    starts, ends         [sequences] int32       where the answers are (span)
    sizes, labels        [examples] int32        each example's candidates, and the right one of them (candidate)
    loss                 []                      the mean over sequences, over examples
    gradient.NAME        as the parameter        of `loss`, where it depends on it
"""

import json

import torch
import transformers
from safetensors.torch import save_file

from make_backbone_golden import CASES, GOLDEN, SMALL, batch
from make_encoder_golden import gradients, packed

MODELS = {
    "bert": (transformers.BertConfig, dict(SMALL), [5, 12, 2, 8, 30]),
    "roberta": CASES["roberta"][:2] + ([5, 12, 2, 8, 40],),
    "deberta-v3": CASES["deberta-v3"][:2] + ([5, 12, 2, 8, 48],),
}
SPANS = [(2, 4), (0, 0), (1, 1), (3, 7), (20, 22)]
SIZES, CORRECT = [2, 3], [1, 0]


def metadata():
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return {"made_by": f"Tests/Reference/make_head_golden.py with {versions}"}


def random_weights(models):
    generator = torch.Generator().manual_seed(40)
    weights = {}
    for model in models:
        for name, parameter in model.named_parameters():
            if name in weights:
                continue
            noise = torch.randn(parameter.shape, generator=generator) * 0.2
            weights[name] = noise + 1 if "LayerNorm.weight" in name else noise
    for model in models:
        model.load_state_dict({name: weights[name] for name, _ in model.named_parameters()}, strict=False)
    return weights


def spans(model, inputs, lengths):
    """One sequence at a time, so that no padding takes part."""
    logits, losses = [], []
    for row, (length, (start, end)) in enumerate(zip(lengths, SPANS)):
        one = {key: tensor[row : row + 1, :length] for key, tensor in inputs.items()}
        out = model(**one, start_positions=torch.tensor([start]), end_positions=torch.tensor([end]))
        logits.append(torch.stack([out.start_logits[0], out.end_logits[0]], dim=-1))
        losses.append(out.loss)
    starts, ends = zip(*SPANS)
    return torch.cat(logits), torch.stack(losses).mean(), {"starts": starts, "ends": ends}


def candidates(model, inputs, lengths):
    logits, losses, row = [], [], 0
    for size, label in zip(SIZES, CORRECT):
        some = {key: tensor[None, row : row + size] for key, tensor in inputs.items()}
        out = model(**some, labels=torch.tensor([label]))
        logits.append(out.logits[0][:, None])
        losses.append(out.loss)
        row += size
    return torch.cat(logits), torch.stack(losses).mean(), {"sizes": SIZES, "labels": CORRECT}


def write(name, kind, settings, lengths):
    config = kind(**settings)
    config._attn_implementation = "eager"
    answering = transformers.AutoModelForQuestionAnswering.from_config(config).eval()
    choosing = transformers.AutoModelForMultipleChoice.from_config(config).eval()
    weights = random_weights([answering, choosing])
    ids, types, mask = batch(config, lengths, torch.Generator().manual_seed(41))
    given = types if config.type_vocab_size > 1 else torch.zeros_like(types)
    inputs = dict(input_ids=ids, token_type_ids=given, attention_mask=mask)

    folder = GOLDEN / f"heads-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for head, model, run in [("span", answering, spans), ("candidate", choosing, candidates)]:
        model = model.double()
        logits, loss, integers = run(model, inputs, lengths)
        values = {"logits": logits, "loss": loss} | gradients(model, loss, "gradient.")
        values = {key: tensor.detach().float().contiguous() for key, tensor in values.items()}
        values |= {key: torch.tensor(numbers, dtype=torch.int32) for key, numbers in integers.items()}
        values["input_ids"] = packed(ids, lengths).int()
        values["type_ids"] = packed(types, lengths).int()
        values["lengths"] = torch.tensor(lengths, dtype=torch.int32)
        save_file(values, folder / f"{head}.safetensors", metadata())
    save_file(weights, folder / "model.safetensors", metadata())
    text = json.dumps(config.to_diff_dict() | {"model_type": config.model_type}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")


def main():
    for name, (kind, settings, lengths) in MODELS.items():
        write(name, kind, settings, lengths)


if __name__ == "__main__":
    main()
