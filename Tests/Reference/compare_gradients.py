"""Compares the gradients of one step of full fine-tuning with those of transformers in float64.

    python Tests/Reference/compare_gradients.py --quintet .build/release/quintet --backbone DIR --data DIR --task RTE \
        [--batch 8] [--max-length 128] [--tolerance 1e-4]

needs: torch, transformers, tokenizers, safetensors. Runs `quintet train --log-gradients` on the first rows of the task,
without dropout and with a learning rate of zero: the parameters that it leaves, those of the new head among them, are the
ones that it started from, and transformers is given them too. A gradient's difference is measured against its own norm, or
against a thousandth of the norm of all gradients where that is larger. Exits with 1 where a tensor is missing or one is
over the tolerance.
"""

import argparse
import subprocess
import sys
import tempfile

import torch
from glue import CLASSES, read
from reference_hidden import encode
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

PROJECTIONS = [".self.query.", ".self.key.", ".self.value."]


def run_quintet(options, folder):
    """The parameters under quintet's names, and the gradients under those of transformers."""
    settings = {
        "dropout": 0,
        "shuffle": "false",
        "batchSize": options.batch,
        "maximumSteps": 1,
        "learningRate": 0,
        "maximumLength": options.max_length,
        "evaluationExamples": 1,
    }
    command = [options.quintet, "train", "--backbone", options.backbone, "--data", options.data]
    command += ["--task", options.task.lower(), "--method", "full", "--seed", "0", "--into", f"{folder}/run"]
    command += ["--log-gradients", f"{folder}/gradients.safetensors"]
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return load_file(f"{folder}/run/parameters.safetensors"), load_file(f"{folder}/gradients.safetensors")


def published(name, prefix):
    """What transformers calls a parameter."""
    if name.startswith("classifier.") or (name.startswith("pooler.") and prefix != "bert"):
        return name
    if prefix == "deberta":
        for part in PROJECTIONS:
            name = name.replace(part, part[:-1] + "_proj.")
    return f"{prefix}.{name}"


def gradients(options, parameters):
    """Of transformers, with these parameters; and the loss."""
    model = AutoModelForSequenceClassification.from_pretrained(
        options.backbone,
        num_labels=1 if options.task == "STS-B" else len(CLASSES.get(options.task, ["0", "1"])),
        attn_implementation="eager",
        ignore_mismatched_sizes=True,
        dtype=torch.float64,
    ).eval()
    known = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in parameters.items():
            known[published(name, model.base_model_prefix)].copy_(value)
    examples = read(options.data, options.task, "train")[: options.batch]
    encodings = encode(options.backbone, examples, options.max_length)
    # One sequence at a time needs no padding.
    loss = 0
    for encoding, (_, _, label) in zip(encodings, examples):
        types = torch.tensor([encoding.type_ids]) if model.config.type_vocab_size > 1 else None
        labels = torch.tensor([label], dtype=torch.float64 if options.task == "STS-B" else torch.long)
        part = model(input_ids=torch.tensor([encoding.ids]), token_type_ids=types, labels=labels).loss / len(examples)
        part.backward()
        loss += part.item()
    return {name: value.grad for name, value in known.items() if value.grad is not None}, loss


def main():
    parser = argparse.ArgumentParser()
    for name in ["--quintet", "--backbone", "--data", "--task"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parameters, ours = run_quintet(options, folder)
    theirs, loss = gradients(options, parameters)
    missing = sorted(theirs.keys() - ours.keys())
    whole = torch.stack([value.norm() for value in theirs.values()]).norm().item()
    differences = []
    for name, value in ours.items():
        # What no token of the batch reaches has no gradient there, and zeros here.
        expected = theirs.get(name, torch.zeros_like(value))
        difference = (value.double() - expected).norm().item()
        differences.append((difference / max(expected.norm().item(), 1e-3 * whole), name))
    worst, name = max(differences)
    print(f"loss {loss:.6f}, {len(ours)} gradients, missing: {', '.join(missing) or 'none'}")
    print(f"largest difference {worst:.3g} ({name})")
    sys.exit(0 if worst <= options.tolerance and not missing else 1)


if __name__ == "__main__":
    main()
