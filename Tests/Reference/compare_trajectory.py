"""Compares training by Quintet, step by step, with training by PEFT from the same adapter and head.

    python Tests/Reference/compare_trajectory.py --quintet .build/release/quintet --backbone DIR --data DIR --task rte \
        --method lora|adalora [--steps 60] [--set rank=4 ...] [--dtype float32] [--tolerance 1e-5] [--folder DIR]

needs: torch, transformers, peft, tokenizers, safetensors. PEFT makes the adapter with a random head and saves it;
`quintet train --initial` and PEFT, with PyTorch's AdamW, start from it and see the rows in the file's order, without
dropout. Settings have Quintet's names, and the values of SHARED and method_settings unless given. Prints both losses
of every step, what is minimised and the task's, and after how many steps AdaLoRA keeps other triplets, those whose E is
not 0; exits with 1 where a loss is over the tolerance or such a set differs. Without --quintet only PEFT's side is run.
--folder keeps both sides' files, and PEFT's adapter after the last step.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from glue import CLASSES, FIRST_SECOND, read
from peft_methods import add_peft, kept
from reference_hidden import encode
from released_methods import LAYERS, optimizer, schedule, set_rate
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, logging

TASKS = {name.lower(): name for name in FIRST_SECOND}

SHARED = {
    "batchSize": 32, "maximumLength": 128, "learningRate": 1e-3, "warmupRatio": 0.06, "gradientClip": 1.0,
    "weightDecay": 0.0, "optimizer": "adamW", "adamEpsilon": 1e-8, "beta1": 0.9, "beta2": 0.999, "alpha": 16.0,
    "targets": list(LAYERS),
}  # fmt: skip


def method_settings(method, steps):
    if method == "lora":
        return {"rank": 8}
    return {
        "initialRank": 12,
        "targetRank": 8,
        "initialSteps": steps * 15 // 100,
        "finalSteps": steps * 45 // 100,
        "interval": 1,
        "orthogonalWeight": 0.1,
        "orthogonalForm": "normMean",
        "beta1Importance": 0.85,
        "beta2Importance": 0.85,
    }


def resolve(options):
    settings = SHARED | method_settings(options.method, options.steps)
    for text in options.set:
        name, _, value = text.partition("=")
        if name not in settings:
            sys.exit(f"--set {name}: not compared; give one of {', '.join(sorted(settings))}")
        known = settings[name]
        settings[name] = value.split(",") if isinstance(known, list) else type(known)(value)
    return settings


def classifier(options, **arguments):
    outputs = 1 if options.task == "STS-B" else len(CLASSES.get(options.task, ["0", "1"]))
    return AutoModelForSequenceClassification.from_pretrained(
        options.backbone, num_labels=outputs, attn_implementation="eager", dtype=torch.float32, **arguments
    )


# Both sides


def train_quintet(options, settings, folder):
    """Losses and task losses of every step; and what is kept after each."""
    given = settings | {
        "maximumSteps": options.steps,
        "epochs": math.ceil(options.steps / options.steps_per_epoch),
        "dropout": 0,
        "shuffle": "false",
        "evaluationExamples": 1,
    }
    command = [options.quintet, "train", "--backbone", options.backbone, "--data", options.data]
    command += ["--task", options.task.lower(), "--method", options.method, "--seed", "0", "--into", f"{folder}/run"]
    command += ["--initial", f"{folder}/initial"]
    if options.threads:
        command += ["--threads", str(options.threads)]
    if options.method == "adalora":
        command += ["--log-ranks", f"{folder}/ranks.jsonl"]
    for name, value in given.items():
        command += ["--set", f"{name}={','.join(value) if isinstance(value, list) else value}"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    Path(folder, "events.jsonl").write_text(output)
    events = [event for event in map(json.loads, output.splitlines()) if event["event"] == "step"]
    losses = [(event["loss"], event.get("taskLoss", event["loss"])) for event in events]
    if options.method == "lora":
        return losses, [{} for _ in losses]
    lines = map(json.loads, Path(folder, "ranks.jsonl").read_text().splitlines())
    by_step = {line["step"]: line["kept"] for line in lines}
    return losses, [by_step.get(step + 1) for step in range(len(losses))]


def batch(options, encodings, labels):
    width = max(len(encoding.ids) for encoding in encodings)

    def padded(rows):
        return torch.tensor([row + [0] * (width - len(row)) for row in rows])

    return {
        "input_ids": padded([encoding.ids for encoding in encodings]),
        "token_type_ids": padded([encoding.type_ids for encoding in encodings]),
        "attention_mask": padded([[1] * len(encoding.ids) for encoding in encodings]),
        "labels": torch.tensor(labels, dtype=options.dtype if options.task == "STS-B" else torch.long),
    }


def task_loss(logits, labels):
    if logits.shape[1] == 1:
        return functional.mse_loss(logits.squeeze(1), labels)
    return functional.cross_entropy(logits, labels)


def train_peft(options, settings, model, parameters, examples):
    """As train_quintet, by PEFT."""
    model = model.to(options.dtype).eval()
    main = optimizer(settings, parameters)
    warmup = math.ceil(settings["warmupRatio"] * options.steps)
    size, losses, masks = settings["batchSize"], [], []
    examples = examples[: options.steps * size]
    encodings = encode(options.backbone, examples, settings["maximumLength"])
    labels = [label for _, _, label in examples]
    for step in range(options.steps):
        start = step % options.steps_per_epoch * size
        inputs = batch(options, encodings[start : start + size], labels[start : start + size])
        output = model(**inputs)
        output.loss.backward()
        if settings["gradientClip"] > 0:
            torch.nn.utils.clip_grad_norm_(parameters.values(), settings["gradientClip"])
        set_rate(main, settings["learningRate"] * schedule(step, options.steps, warmup))
        main.step()
        if options.method == "adalora":
            model.base_model.update_and_allocate(step)
        model.zero_grad()
        losses.append((output.loss.item(), task_loss(output.logits.detach(), inputs["labels"]).item()))
        masks.append({layer: flags.nonzero().flatten().tolist() for layer, flags in kept(parameters).items()})
    return losses, masks


def compare(options):
    settings = resolve(options)
    examples = read(options.data, options.task, "train")
    options.steps_per_epoch = math.ceil(len(examples) / settings["batchSize"])
    torch.manual_seed(options.seed)
    model, parameters = add_peft(classifier(options), options.method, settings, options.steps)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        model.save_pretrained(f"{folder}/initial")
        ours = train_quintet(options, settings, folder) if options.quintet else None
        theirs = train_peft(options, settings, model, parameters, examples)
        if options.folder:
            record = {"losses": theirs[0], "kept": theirs[1]}
            Path(folder, "peft.json").write_text(json.dumps(record))
            model.float().save_pretrained(f"{folder}/trained")
    if ours is None:
        for step, ((loss, task), mask) in enumerate(zip(*theirs)):
            print(f"{step + 1:4} {loss:.9f} {task:.9f} {sum(map(len, mask.values()))} kept")
        return 0
    return report(options, ours, theirs)


def report(options, ours, theirs):
    if len(ours[0]) != len(theirs[0]):
        print(f"quintet took {len(ours[0])} steps, PEFT {len(theirs[0])}")
        return 1
    worst, other = 0, []
    print("step quintet     PEFT        relative | task's: quintet, PEFT, relative")
    for step, (our, their) in enumerate(zip(ours[0], theirs[0])):
        differences = [abs(a - b) / abs(b) for a, b in zip(our, their)]
        worst = max(worst, *differences)
        is_other = ours[1][step] != theirs[1][step]
        if is_other:
            other.append(step + 1)
        (loss, task), (peft_loss, peft_task) = our, their
        print(
            f"{step + 1:4} {loss:.9f} {peft_loss:.9f} {differences[0]:.1e} | {task:.9f} {peft_task:.9f} "
            f"{differences[1]:.1e}{'  other triplets' if is_other else ''}"
        )
    print(f"largest relative difference {worst:.3g}")
    print(f"steps with other triplets: {len(other)} of {options.steps} {other}")
    return 0 if worst <= options.tolerance and not other else 1


def main():
    parser = argparse.ArgumentParser()
    for name in ["--backbone", "--data", "--task"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--method", choices=["lora", "adalora"], required=True)
    parser.add_argument("--quintet")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--seed", type=int, default=0, help="of the adapter and the head")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64", help="of PEFT's side")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--folder")
    options = parser.parse_args()
    options.task, options.dtype = TASKS[options.task.lower()], getattr(torch, options.dtype)
    # It reports that the head is new.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if options.threads:
        torch.set_num_threads(options.threads)
    sys.exit(compare(options))


if __name__ == "__main__":
    main()
