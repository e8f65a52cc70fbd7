"""Writes 60 steps of training by each method, in float64: what the tests of Quintet's training follow.

    python Tests/Reference/make_method_golden.py

needs: torch, transformers, peft, safetensors. LoRA and AdaLoRA are PEFT's, but for the penalties that it lacks; SoRA
and the adapters are those of released_methods.py. The versions used stand in the metadata of the written files, which
are, in Tests/TrainingTests/Golden/:

    config.json                  configuration of a small BERT
    model.safetensors            its weights and its head of two classes, HF names
    batches.safetensors          what each step sees, tokens packed one sequence after another, type 0 throughout:
        input_ids  [tokens] int32      lengths [steps, 4] int32      labels [steps, 4] int32
    METHOD-CASE.safetensors      one each case of CASES below, its method and settings as JSON in the metadata's `case`:
        NAME          the first value of every trainable parameter, the head's too, under Quintet's names
        loss          [steps] what each step minimises          task_loss [steps] without penalties
        kept.LAYER    [steps, rank] int32: 1 where AdaLoRA's E or SoRA's gate is not 0 after the step
        final.NAME    values of some parameters after the last step

Each case is run in float32 too: the script prints how far rounding alone leads, and stops where that is a quarter of
what the tests allow, or changes what is kept.
"""

import json
import math
import zlib
from pathlib import Path

import peft
import torch
import transformers
from peft_methods import add_peft, kept
from released_methods import (
    LAYERS,
    add_adapters,
    add_low_rank,
    cosine_penalty,
    gate_optimizer,
    gate_penalty,
    optimizer,
    schedule,
    set_rate,
    shrink,
    squared_orthogonality,
)
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "TrainingTests" / "Golden"
STEPS, SEQUENCES = 60, 4
TOLERANCE = 1e-5

SHARED = {
    "epochs": 1, "batchSize": SEQUENCES, "shuffle": False, "dropout": 0.0, "learningRate": 5e-3, "warmupRatio": 0.06,
    "gradientClip": 1.0, "weightDecay": 0.0, "optimizer": "adamW", "adamEpsilon": 1e-8, "beta1": 0.9, "beta2": 0.999,
}  # fmt: skip
RELEASED = {"optimizer": "adamWTransformers", "weightDecay": 0.1, "gradientClip": 0.1}
LORA = {"rank": 4, "alpha": 16.0, "targets": list(LAYERS), "orthogonalWeight": 0.0}
ADALORA = {
    "initialRank": 6, "targetRank": 3, "alpha": 16.0, "targets": list(LAYERS), "initialSteps": 6, "finalSteps": 20,
    "interval": 1, "orthogonalWeight": 0.1, "orthogonalForm": "normMean", "beta1Importance": 0.85,
    "beta2Importance": 0.85,
}  # fmt: skip
SORA = {
    "rank": 4, "alpha": 8.0, "targets": list(LAYERS), "sparsity": 0.01, "proximal": "repo", "l1Weight": 0.0,
    "gateLearningRate": 0.02, "gateEpsilon": 1e-6,
}  # fmt: skip
ENDS = ["attentionOutput", "output"]
ADAPTER = {"bottleneck": 8, "layerNormTrainable": False}

CASES = {
    "lora-peft": LORA,
    "lora-orthogonal": LORA | {"orthogonalWeight": 0.1, "optimizer": "adamWTransformers", "weightDecay": 0.01},
    "lora-orthogonal-fresh": LORA | {"orthogonalWeight": 0.1},
    "adalora-peft": ADALORA,
    "adalora-interval5": ADALORA | {"interval": 5, "weightDecay": 0.01},
    # 40, where the last phase begins, is no multiple: PEFT masks there all the same.
    "adalora-interval7": ADALORA | {"interval": 7},
    "adalora-squared": ADALORA | {"orthogonalForm": "squaredSum", "orthogonalWeight": 0.01},
    "sora-repo": SORA,
    "sora-released": SORA | RELEASED | {"l1Weight": 0.1},
    "sora-paper": SORA | {"proximal": "paper", "sparsity": 0.6},
    "sora-multiply": SORA | {"proximal": "repoMultiplyLR", "sparsity": 0.6, "l1Weight": 0.1},
    "houlsby-sublayer": ADAPTER | {"placement": "sublayer", "activation": "silu", "targets": ENDS},
    "houlsby-norms": ADAPTER
    | {"placement": "sublayer", "activation": "gelu", "targets": ENDS, "layerNormTrainable": True, "weightDecay": 0.01},
    "houlsby-linear": ADAPTER | {"placement": "linear", "activation": "geluNew", "targets": list(LAYERS)},
    "pfeiffer-normed": ADAPTER | {"placement": "normed", "activation": "relu", "targets": ENDS},
}

# The deviations of first values by how their names end; zero is what PEFT begins with.
DEVIATIONS = {
    "lora_A.weight": 0.2, "lora_B.weight": 0.05, "lora_gate": 0.5, "lora_A": 0.15, "lora_B": 0.15, "lora_E": 0.0,
    "adapter.down.weight": 0.2, "adapter.down.bias": 0.05, "adapter.up.weight": 0.1, "adapter.up.bias": 0.05,
}  # fmt: skip
FRESH = ["lora-peft", "lora-orthogonal-fresh"]
FINAL = ("layer.0.attention.self.query", "layer.0.intermediate", "layer.1.output", "classifier", "lora_E", "lora_gate")


def configuration():
    return transformers.BertConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        type_vocab_size=2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
        num_labels=2,
        attn_implementation="eager",
    )


def random_values(name, shape, deviation):
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator) * deviation


def backbone(dtype):
    """Alive, but not so wild that training becomes chaotic."""
    model = transformers.BertForSequenceClassification(configuration())
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = random_values(name, value.shape, 0.1 if value.dim() == 1 else 0.2)
            value.copy_(noise + 1 if "LayerNorm.weight" in name else noise)
    return model.to(dtype).requires_grad_(False)


def batches():
    """Of each step: the sequences, padded, their mask and labels."""
    generator = torch.Generator().manual_seed(30)
    result = []
    for _ in range(STEPS):
        lengths = torch.randint(2, 17, (SEQUENCES,), generator=generator)
        ids = torch.randint(2, 64, (SEQUENCES, int(lengths.max())), generator=generator)
        ids[:, 0] = 1
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        labels = torch.randint(0, 2, (SEQUENCES,), generator=generator)
        result.append({"input_ids": ids * mask, "attention_mask": mask, "labels": labels})
    return result


class Method:
    """A model with a method on it: its trainable parameters, and the loss of a batch with and without penalties."""

    def __init__(self, case, dtype):
        self.name, self.settings = case.split("-")[0], SHARED | CASES[case]
        self.model = backbone(torch.float32)
        settings = self.settings
        if self.name == "adalora" or case == "lora-peft":
            self.model, self.parameters = add_peft(self.model, self.name, settings, STEPS)
        else:
            if self.name in ("lora", "sora"):
                self.parameters = add_low_rank(self.model, settings, has_gate=self.name == "sora")
            else:
                norms = {n.removeprefix("bert."): p for n, p in self.model.named_parameters() if "LayerNorm" in n}
                self.parameters = add_adapters(self.model, settings)
                if settings["layerNormTrainable"]:
                    self.parameters |= norms
            heads = {n.removeprefix("bert."): p for n, p in self.model.named_parameters() if is_head(n)}
            self.parameters |= heads
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.requires_grad_()
                for end, deviation in DEVIATIONS.items():
                    if name.endswith("." + end):
                        is_zero = end == "lora_B.weight" and case in FRESH
                        value.copy_(random_values(name, value.shape, 0 if is_zero else deviation))
        self.model.to(dtype)

    def losses(self, batch):
        output = self.model(**batch)
        task = torch.nn.functional.cross_entropy(output.logits, batch["labels"])
        weight = self.settings.get("orthogonalWeight", 0)
        total = output.loss
        if self.name == "lora" and weight > 0:
            total = total + weight * cosine_penalty(self.parameters)
        if self.name == "adalora" and self.settings["orthogonalForm"] == "squaredSum":
            total = total + weight * squared_orthogonality(self.parameters)
        if self.name == "sora" and self.settings["l1Weight"] > 0:
            total = total + self.settings["l1Weight"] * gate_penalty(self.parameters)
        return total, task


def is_head(name):
    return "pooler." in name or name.startswith("classifier.")


def train(case, dtype):
    """The tensors of a case's file."""
    method = Method(case, dtype)
    settings, parameters = method.settings, method.parameters
    result = {name: value.detach().clone() for name, value in parameters.items()}
    main = optimizer(settings, parameters)
    gates = gate_optimizer(settings, parameters) if method.name == "sora" else None
    losses, masks = [], []
    for step, batch in enumerate(batches()):
        total, task = method.losses(batch)
        total.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), settings["gradientClip"])
        set_rate(main, settings["learningRate"] * schedule(step, STEPS, math.ceil(settings["warmupRatio"] * STEPS)))
        main.step()
        if gates:
            rate = settings["gateLearningRate"] * schedule(step, STEPS, int(settings["warmupRatio"] * STEPS))
            set_rate(gates, rate)
            gates.step()
            for name, value in parameters.items():
                if name.endswith(".lora_gate"):
                    shrink(value, settings["proximal"], settings["sparsity"], rate)
        if method.name == "adalora":
            method.model.base_model.update_and_allocate(step)
        method.model.zero_grad()
        losses.append((total.item(), task.item()))
        masks.append(kept(parameters))
    result["loss"], result["task_loss"] = torch.tensor(losses, dtype=torch.float64).T
    for layer in masks[0]:
        result[f"kept.{layer}"] = torch.stack([mask[layer] for mask in masks]).int()
    for name, value in parameters.items():
        if any(part in name for part in FINAL):
            result[f"final.{name}"] = value.detach()
    return result


def summary(case, exact):
    """Checks that rounding alone leads nowhere, and tells what happens in the case."""
    rounded = train(case, torch.float32)
    assert exact.keys() == rounded.keys()
    away = max(((exact[name] - rounded[name]).abs() / exact[name].abs()).max() for name in ("loss", "task_loss"))
    final = max(
        (exact[name] - rounded[name].double()).abs().max().item() for name in exact if name.startswith("final.")
    )
    moved = max(
        (exact[name] - exact[name.removeprefix("final.")]).abs().max().item()
        for name in exact
        if name.startswith("final.")
    )
    masks = [exact[name] for name in exact if name.startswith("kept.")]
    same = all(torch.equal(exact[name], rounded[name]) for name in exact if name.startswith("kept."))
    counts = torch.cat(masks, dim=1).sum(dim=1).tolist() if masks else []
    back = sum(int(((mask[1:] == 1) & (mask[:-1] == 0)).sum()) for mask in masks)
    print(f"{case}: loss {exact['loss'][0]:.4f} to {exact['loss'][-1]:.4f}, moved {moved:.2g}")
    print(f"    float32: losses {away:.2g} relative, values {final:.2g}, kept the same: {same}")
    if counts:
        print(f"    kept after steps 1, 20, 40, 60: {[counts[i] for i in (0, 19, 39, 59)]}, came back {back}")
    assert away < TOLERANCE / 4 and same, case


def main():
    torch.set_num_threads(1)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
    # One entry each: the order of several is not fixed, and the files would be others at each run.
    made_by = f"Tests/Reference/make_method_golden.py with {versions}"
    model = backbone(torch.float32)
    save_file(model.state_dict(), GOLDEN / "model.safetensors", {"made_by": made_by})
    config = model.config.to_dict()
    names = [
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings",
        "type_vocab_size", "layer_norm_eps", "initializer_range", "pad_token_id",
    ]  # fmt: skip
    (GOLDEN / "config.json").write_text(json.dumps({name: config[name] for name in names}, indent=2) + "\n")
    steps = batches()
    lengths = torch.stack([batch["attention_mask"].sum(dim=1) for batch in steps])
    rows = [(row, length) for batch, some in zip(steps, lengths) for row, length in zip(batch["input_ids"], some)]
    tensors = {
        "input_ids": torch.cat([row[:length] for row, length in rows]).int(),
        "lengths": lengths.int(),
        "labels": torch.stack([batch["labels"] for batch in steps]).int(),
    }
    save_file(tensors, GOLDEN / "batches.safetensors", {"made_by": made_by})
    for case in CASES:
        exact = train(case, torch.float64)
        summary(case, exact)
        tensors = {name: value.float() if value.is_floating_point() else value for name, value in exact.items()}
        about = {"made_by": made_by, "method": case.split("-")[0], "settings": SHARED | CASES[case]}
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        save_file(tensors, GOLDEN / f"{case}.safetensors", {"case": json.dumps(about)})


if __name__ == "__main__":
    main()
