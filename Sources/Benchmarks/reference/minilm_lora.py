"""The same fine-tuning as Quintet's benchmark, with PyTorch, HF transformers and PEFT.

    python minilm_lora.py --backbone DIR --data DIR --task RTE --steps 30 --batch 32 --max-length 128 --threads 2 \
        --order shuffled

LoRA of rank 8 and alpha 16 on the six linear layers of every block, pooler and head trained too, dropout as in the
backbone's configuration, AdamW at 5e-4 with linear warmup (0.06) and decay, clipping at 1.0. Batches are padded to their
longest example. Their order is `shuffled`, the Trainer's default and what Quintet trains on, or `grouped`: examples of
like length together, which pads less and trains on other batches.

To be timed from outside as a whole process, once with few steps and once with many: the difference is what steps cost.
It prints its own samples per second and peak memory too. needs: torch, transformers, peft, tokenizers.
"""

import argparse
import random
import resource
import time
from pathlib import Path

import peft
import tokenizers
import torch
import transformers

COLUMNS = {"RTE": (1, 2, 3), "CoLA": (3, None, 1), "STS-B": (7, 8, 9), "SST-2": (0, None, 1), "MRPC": (3, 4, 0)}
LAYERS = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", default="RTE", choices=COLUMNS)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--order", choices=["shuffled", "grouped"], default="shuffled")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def rows(options):
    path = Path(options.data) / options.task / "train.tsv"
    lines = path.read_bytes().decode("utf-8-sig").split("\n")
    if options.task != "CoLA":
        lines = lines[1:]
    return [line.rstrip("\r").split("\t") for line in lines if line]


def examples(options):
    """Encodings and labels of the training file."""
    first, second, label = COLUMNS[options.task]
    cells = rows(options)
    names = ["entailment", "not_entailment"] if options.task == "RTE" else ["0", "1"]
    labels = [float(row[label]) if options.task == "STS-B" else names.index(row[label]) for row in cells]
    tokenizer = tokenizers.Tokenizer.from_file(f"{options.backbone}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(options.max_length, strategy="longest_first")
    texts = [row[first] if second is None else (row[first], row[second]) for row in cells]
    return list(zip(tokenizer.encode_batch(texts), labels))


def batches(items, size, order, generator):
    """Endless batches of the shuffled examples; `grouped` sorts every 50 batches' examples by length before the cut."""
    while True:
        generator.shuffle(items)
        epoch = []
        for start in range(0, len(items), size * 50):
            group = items[start : start + size * 50]
            if order == "grouped":
                group.sort(key=lambda item: len(item[0].ids))
            epoch += [group[index : index + size] for index in range(0, len(group), size)]
        generator.shuffle(epoch)
        yield from epoch


def tensors(batch):
    width = max(len(encoding.ids) for encoding, _ in batch)

    def padded(values):
        return torch.tensor([value + [0] * (width - len(value)) for value in values])

    return {
        "input_ids": padded([encoding.ids for encoding, _ in batch]),
        "token_type_ids": padded([encoding.type_ids for encoding, _ in batch]),
        "attention_mask": padded([encoding.attention_mask for encoding, _ in batch]),
        "labels": torch.tensor([label for _, label in batch]),
    }


def make_model(options):
    outputs = 1 if options.task == "STS-B" else 2
    model = transformers.AutoModelForSequenceClassification.from_pretrained(options.backbone, num_labels=outputs)
    lora = peft.LoraConfig(r=8, lora_alpha=16, target_modules=LAYERS, modules_to_save=["classifier", "pooler"])
    return peft.get_peft_model(model, lora).train()


def train(options):
    model = make_model(options)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-4, weight_decay=0)
    warmup = -(-options.steps * 6 // 100)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup, options.steps)
    source = batches(examples(options), options.batch, options.order, random.Random(options.seed))
    samples, start = 0, time.perf_counter()
    for _ in range(options.steps):
        batch = next(source)
        loss = model(**tensors(batch)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        samples += len(batch)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = sum(map(torch.numel, trained))
    print(f"steps {options.steps}, samples {samples}, last loss {loss.item():.4f}, trained {count}")
    print(f"{samples / seconds:.2f} samples/s, peak memory {peak:.0f} MiB, torch {torch.__version__}")


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    train(options)


if __name__ == "__main__":
    main()
