"""Hidden states of the last layer from HF transformers in float64, in the form of `quintet encode`.

    python Tests/Reference/reference_hidden.py --backbone DIR --data DIR --task RTE --split dev \
        --max-length 128 --output F.safetensors

needs: torch, transformers, tokenizers, safetensors. Writes, packed one sequence after another without padding:

    input_ids  [tokens] int32
    offsets    [sequences + 1] int32     where each sequence begins; the last is the number of tokens
    hidden     [tokens, hidden] float32  computed in float64

Sequences of one length make a batch, so no sequence is ever padded.
"""

import argparse
from collections import defaultdict

import tokenizers
import torch
import transformers
from glue import read
from safetensors.torch import save_file


def encode(backbone, examples, max_length):
    tokenizer = tokenizers.Tokenizer.from_file(f"{backbone}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    texts = [first if second is None else (first, second) for first, second, _ in examples]
    return tokenizer.encode_batch(texts)


@torch.inference_mode()
def hidden_states(model, encodings, batch):
    by_length = defaultdict(list)
    for index, encoding in enumerate(encodings):
        by_length[len(encoding.ids)].append(index)
    result = [None] * len(encodings)
    for indices in by_length.values():
        for start in range(0, len(indices), batch):
            some = indices[start : start + batch]
            ids = torch.tensor([encodings[index].ids for index in some])
            types = torch.tensor([encodings[index].type_ids for index in some])
            hidden = model(input_ids=ids, token_type_ids=types).last_hidden_state
            for index, states in zip(some, hidden):
                result[index] = states.float()
    return torch.cat(result)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    examples = read(options.data, options.task, options.split)[: options.limit]
    encodings = encode(options.backbone, examples, options.max_length)
    model = transformers.AutoModel.from_pretrained(options.backbone, dtype=torch.float64).eval()
    lengths = torch.tensor([0] + [len(encoding.ids) for encoding in encodings])
    tensors = {
        "input_ids": torch.tensor([token for encoding in encodings for token in encoding.ids], dtype=torch.int32),
        "offsets": lengths.cumsum(0).int(),
        "hidden": hidden_states(model, encodings, options.batch),
    }
    modules = (torch, transformers, tokenizers)
    versions = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)
    save_file(tensors, options.output, {"versions": versions})
    print(f"{options.output}: {len(encodings)} sequences, {len(tensors['input_ids'])} tokens ({versions})")


if __name__ == "__main__":
    main()
