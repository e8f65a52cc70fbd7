"""Compares logits of Quintet with those of Hugging Face's libraries on the same adapter or model.

    quintet predict SHARD --into FOLDER --logits dev      and      quintet export SHARD --into FOLDER
    python Tests/Reference/compare_export.py --backbone DIR --model FOLDER --logits FOLDER/dev-logits.jsonl

loads FOLDER, with PEFT where it holds an adapter, else with transformers, and prints the largest difference;

    python Tests/Reference/compare_export.py --backbone DIR --make lora|adalora --model FOLDER --outputs 2
    quintet train --initial FOLDER --set learningRate=0 --set maximumSteps=1 --log-logits FILE ...

makes such an adapter by PEFT, of random numbers and with several ranks and scales; --rank-pattern leaves some of
AdaLoRA's triplets out. --head span is squad's, --head candidate that of copa and record. Exits with 1 where a logit
differs by more than 1e-4.
needs: torch, transformers, peft, safetensors.
"""

import argparse
import json
import os
import random
import re
import sys

import peft
import torch
import transformers

LAYERS = r".*\.encoder\.layer\.\d+\.(attention\.self\.(query|key|value)(_proj)?|attention\.output\.dense|output\.dense)"
PREFIX = "base_model.model."


HEADS = {
    "sequence": transformers.AutoModelForSequenceClassification,
    "candidate": transformers.AutoModelForMultipleChoice,
    "span": transformers.AutoModelForQuestionAnswering,
}


def base(folder, options):
    given = {"num_labels": options.outputs} if options.outputs else {}
    return HEADS[options.head].from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **given)


def make(options):
    """An adapter that does something, although none of its numbers was trained."""
    torch.manual_seed(options.seed)
    model = base(options.backbone, options)
    modules = [name for name, _ in model.named_modules()]
    heads = {"pooler", "classifier", "qa_outputs"} & {name.split(".")[-1] for name in modules}
    shared = {"target_modules": LAYERS, "modules_to_save": sorted(heads), "lora_alpha": 12}
    if options.make == "lora":
        first, second = (
            next(name for name in modules if re.search(end, name)) for end in (r"\.value(_proj)?$", r"output\.dense$")
        )
        config = peft.LoraConfig(
            r=4, rank_pattern={second: 2, r"layer\.1\.output\.dense": 1}, alpha_pattern={first: 3}, **shared
        )
    else:
        config = peft.AdaLoraConfig(init_r=4, target_r=2, total_step=10, tinit=1, tfinal=1, **shared)
    model = peft.get_peft_model(model, config)
    ends = ("lora_A.default.weight", "lora_B.default.weight", "lora_A.default", "lora_B.default", "lora_E.default")
    for name, value in model.named_parameters():
        if name.endswith(ends):
            # Large enough to matter, and small enough for rounding not to grow in the layers.
            torch.nn.init.normal_(value, std=1 if "lora_E" in name else 0.05)
    if options.rank_pattern:
        chance = random.Random(options.seed)
        pattern = {}
        for name, value in model.named_parameters():
            if name.endswith("lora_E.default"):
                kept = [chance.random() < 0.5 for _ in value]
                pattern[name.removeprefix(PREFIX)] = kept
                value.data *= torch.tensor(kept)[:, None]
        # One layer of which nothing is left, and one of which everything is.
        names = sorted(pattern)
        pattern[names[0]], pattern[names[1]] = [False] * 4, [True] * 4
        dict(model.named_parameters())[PREFIX + names[0]].data.zero_()
        model.peft_config["default"].rank_pattern = pattern
    model.save_pretrained(options.model)


def load(options):
    if not os.path.exists(f"{options.model}/adapter_config.json"):
        return base(options.model, options)
    return peft.PeftModel.from_pretrained(base(options.backbone, options), options.model)


@torch.inference_mode()
def compare(options):
    model = load(options).eval()
    lines = [json.loads(line) for line in open(options.logits)][: options.examples]
    worst, first = 0.0, []
    for line in lines:
        outputs = []
        for ids, types in zip(line["ids"], line["types"]):
            given = {"input_ids": torch.tensor([ids])}
            if model.config.type_vocab_size > max(types):
                given["token_type_ids"] = torch.tensor([types])
            if options.head == "candidate":
                given = {name: values[None] for name, values in given.items()}
            output = model(**given)
            if options.head == "span":
                outputs.append(torch.stack([output.start_logits[0], output.end_logits[0]], dim=1))
            else:
                outputs.append(output.logits)
        logits = torch.cat(outputs)
        worst = max(worst, (logits - torch.tensor(line["logits"])).abs().max().item())
        first.append(logits[0, 0].item())
    print(
        f"{options.model}: largest difference {worst:.2e} in {len(lines)} examples, "
        f"whose first logits go from {min(first):.3f} to {max(first):.3f}"
    )
    return 0 if lines and worst <= 1e-4 else 1


def main():
    parser = argparse.ArgumentParser()
    for name in ["--backbone", "--model"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--logits")
    parser.add_argument("--examples", type=int)
    parser.add_argument("--head", choices=sorted(HEADS), default="sequence")
    parser.add_argument("--outputs", type=int, help="of a head for sequences")
    parser.add_argument("--make", choices=["lora", "adalora"])
    parser.add_argument("--rank-pattern", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    if options.make:
        make(options)
    if options.logits:
        sys.exit(compare(options))


if __name__ == "__main__":
    main()
