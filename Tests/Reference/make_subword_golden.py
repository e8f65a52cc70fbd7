"""Writes the golden files of the byte-level and unigram tokenizers' tests from Hugging Face's fast tokenizers.

    python Tests/Reference/make_subword_golden.py [--roberta DIR --deberta DIR --data DIR]

needs: tokenizers, transformers (for the format of spm.model); written to Tests/TokenizersTests/Golden:

    bytes/tokenizer.json             a small byte-level vocabulary, RoBERTa's settings, "<mask>" taking blanks before it
    bytes-files/vocab.json, …        the same as vocab.json and merges.txt
    bytes-prefixed/tokenizer.json    with add_prefix_space and untrimmed offsets
    pieces/spm.model                 a small unigram vocabulary and a map of characters, as DeBERTa-v3 has them
    pieces-json/tokenizer.json       the same as the reference writes it
    subwords.json                    texts, their ids, and the offsets in Unicode scalars without special tokens
    subword-files.json               with the three folders: SHA-256 of the ids of every sentence of the data

Merges and scores are made up from the sentences, not trained: trainers break ties in no fixed order. In
subword-files.json each text is hashed as the number of its tokens and their ids, little-endian 32-bit integers.
"""

import argparse
import hashlib
import json
import struct
from collections import Counter
from pathlib import Path

import tokenizers
from glue import read
from make_tokenizer_golden import GOLDEN, HARD, SENTENCES, inputs
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

ROBERTA = ["<s>", "<pad>", "</s>", "<unk>"]
MORE = [
    "'s 't 're 've 'm 'll 'd 'S I'll we'd", "  two  spaces ", "\n\nlines\r\n", "a  \u00a0b", "\u3000wide", "x\u200by",
    "<mask>", " <mask> the", "\t<mask><s> </s>", "[MASK] the [MASK]", "▁▁the ▁", "<0x41>", "ﬁ\u0301 e\u0301 ½ ① ㌀", "ŠŽ\u0323",
    "Ⅷ ² x² ٣", "ship " * 60, "unhappiness" * 90, "\u01c4\u0301 \u3300\u0301 A\u030a\u0323",
]  # fmt: skip


def merges_of(vocabulary_size):
    """Pairs by how often they stand side by side, ties by the alphabet, counted anew after each merge."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    words = Counter(word for text in SENTENCES for word, _ in split(text))
    words = {tuple(word): count for word, count in words.items()}
    merges = []
    while len(merges) < vocabulary_size:
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {tuple(merged(word, best)): count for word, count in words.items()}
    return merges


def merged(word, pair):
    result = []
    for symbol in word:
        if result and (result[-1], symbol) == pair:
            result[-1] += symbol
        else:
            result.append(symbol)
    return result


def make_bytes():
    merges = merges_of(500)
    tokens = ROBERTA + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens += [token for token in dict.fromkeys(map("".join, merges)) if token not in tokens] + ["<mask>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    made = {}
    for name, prefixed, trimmed in ("bytes", False, True), ("bytes-prefixed", True, False):
        tokenizer = Tokenizer(models.BPE(vocabulary, merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefixed)
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trimmed, prefixed)
        tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ROBERTA])
        tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
        (GOLDEN / name).mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(GOLDEN / name / "tokenizer.json"), pretty=False)
        made[name] = tokenizer
    (GOLDEN / "bytes-files").mkdir(parents=True, exist_ok=True)
    (GOLDEN / "bytes-files" / "vocab.json").write_text(json.dumps(vocabulary) + "\n")
    lines = "".join(f"{first} {second}\n" for first, second in merges)
    (GOLDEN / "bytes-files" / "merges.txt").write_text("#version: 0.2\n" + lines)
    return made


def charsmap():
    """A map of characters in SentencePiece's form: a double array (Aoe 1989) of the keys, then the replacements."""
    replaced = {chr(code): " " for code in (9, 10, 13, 0xA0, 0x3000, 0x200B, 0x2028)}
    replaced |= {chr(code): "" for code in (1, 2, 0x7F)}
    replaced |= {"ﬁ": "fi", "ﬂ": "fl", "½": "1⁄2", "²": "2", "①": "1", "㌀": "アパート", "Ⅷ": "VIII", "…": "...", "Ǆ": "DŽ"}
    replaced |= {"e\u0301": "é", "A\u030a": "Å", "Z\u030c": "Ž", "o\u0302\u0301": "ố"}
    blob, places = b"", {}
    for key in sorted(replaced):
        places[key] = len(blob)
        blob += replaced[key].encode() + b"\0"
    keys = {key.encode(): value for key, value in places.items()}
    units, used = {0: 0}, {0}

    def place(node, prefix):
        labels = sorted({key[len(prefix)] for key in keys if key.startswith(prefix) and len(key) > len(prefix)})
        leaf = prefix in keys
        slots = ([0] if leaf else []) + labels
        base = next(
            base
            for base in range(1, 1 << 20)
            if (node ^ base) < 1 << 20 and all((node ^ base ^ slot) not in used for slot in slots)
        )
        units[node] |= base << 10 | leaf << 8
        used.update(node ^ base ^ slot for slot in slots)
        if leaf:
            units[node ^ base] = 1 << 31 | keys[prefix]
        for label in labels:
            units[node ^ base ^ label] = label
        for label in labels:
            place(node ^ base ^ label, prefix + bytes([label]))

    place(0, b"")
    count = max(used) // 256 * 256 + 256
    array = b"".join(struct.pack("<I", units.get(index, 0)) for index in range(count))
    return struct.pack("<I", len(array)) + array + blob


def make_pieces():
    words = Counter("▁" + word for text in SENTENCES for word in text.split())
    counts = Counter()
    for word, count in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(start + 8, len(word)) + 1):
                counts[word[start:end]] += count
    chosen = [piece for piece in sorted(counts) if len(piece) == 1 or counts[piece] > 1]
    chosen = [piece for piece in chosen if piece not in "wq#"]
    model = sentencepiece.ModelProto()
    for index, special in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]"]):
        model.pieces.add(piece=special, score=0, type=2 if index == 3 else 3)
    model.pieces.add(piece="<0x41>", score=0, type=6)
    for piece in chosen:
        model.pieces.add(piece=piece, score=-20 + 1.75 * len(piece) + counts[piece] / 32, type=1)
    model.trainer_spec.model_type = 1
    model.trainer_spec.unk_id = 3
    model.trainer_spec.unk_piece = "[UNK]"
    model.normalizer_spec.precompiled_charsmap = charsmap()
    (GOLDEN / "pieces").mkdir(parents=True, exist_ok=True)
    (GOLDEN / "pieces" / "spm.model").write_bytes(model.SerializeToString())
    tokenizer = deberta(model)
    (GOLDEN / "pieces-json").mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(GOLDEN / "pieces-json" / "tokenizer.json"), pretty=False)
    return {"pieces": tokenizer}


def deberta(model):
    """What transformers' converter makes of an spm.model of DeBERTa."""
    tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in model.pieces], unk_id=3))
    characters = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), characters, spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace("▁", prepend_scheme="always")])
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


def write_cases(made):
    lines = []
    for first, second, length in [(text, None, 4096) for text in MORE] + inputs():
        # RoBERTa's pairs have four special tokens; below these the reference does not cut at all.
        length = length if second is None else max(length, 4)
        case = {"first": first, "second": second, "maximumLength": length}
        for name, tokenizer in made.items():
            tokenizer.no_truncation()
            plain = tokenizer.encode(first)
            offsets = [number for pair in plain.offsets[1:-1] for number in pair]
            tokenizer.enable_truncation(length, strategy="longest_first")
            encoding = tokenizer.encode(first, second)
            case[name] = {"ids": encoding.ids, "typeIDs": encoding.type_ids, "offsets": offsets}
        lines.append(json.dumps(case, separators=(",", ":")))
    with (GOLDEN / "subwords.json").open("w") as file:
        file.write(f'{{"versions":"tokenizers {tokenizers.__version__}","cases":[\n' + ",\n".join(lines) + "\n]}\n")


def write_files(roberta, folder, data):
    model = sentencepiece.ModelProto()
    model.ParseFromString(Path(folder, "spm.model").read_bytes())
    first = Tokenizer.from_file(f"{roberta}/tokenizer.json")
    first.no_padding()
    first.no_truncation()
    result = {}
    for name, tokenizer in ("roberta-base", first), ("deberta-v3", deberta(model)):
        for task in ("RTE", "CoLA", "STS-B"):
            digest = hashlib.sha256()
            for split in ("train", "dev"):
                for *texts, _ in read(data, task, split):
                    for text in filter(None, texts):
                        ids = tokenizer.encode(text).ids
                        digest.update(struct.pack(f"<{len(ids) + 1}i", len(ids), *ids))
            result[f"{name}/{task}"] = digest.hexdigest()
    value = {"versions": f"tokenizers {tokenizers.__version__}", "files": result}
    (GOLDEN / "subword-files.json").write_text(json.dumps(value, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser()
    for name in "roberta", "deberta", "data":
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    # That of make_tokenizer_golden.py, for its offsets.
    uncased = Tokenizer.from_file(str(GOLDEN / "uncased" / "tokenizer.json"))
    uncased.no_padding()
    write_cases(make_bytes() | make_pieces() | {"uncased": uncased})
    if options.roberta and options.deberta and options.data:
        write_files(options.roberta, options.deberta, options.data)


if __name__ == "__main__":
    main()
