"""Tokenizes texts with Hugging Face's fast tokenizers on one thread, beside Quintet's benchmark.

    python tokenize_texts.py --backbone DIR --texts FILE

FILE is a JSON array of pairs; the second of a pair may be null. A folder without tokenizer.json has vocab.json and
merges.txt (RoBERTa), vocab.txt (BERT) or spm.model (DeBERTa-v3, as transformers' converter reads it). Prints the number
of tokens, cut at 128 a text, and the seconds of the median of seven runs. needs: tokenizers; transformers for spm.model.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import AddedToken, BertWordPieceTokenizer, Regex, Tokenizer  # noqa: E402
from tokenizers import models, normalizers, pre_tokenizers, processors  # noqa: E402


def load(folder):
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    if (folder / "vocab.txt").exists():
        return BertWordPieceTokenizer(str(folder / "vocab.txt"))
    if (folder / "spm.model").exists():
        return unigram((folder / "spm.model").read_bytes())
    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>")]
    tokenizer.post_processor = processors.RobertaProcessing(*ends, add_prefix_space=False)
    return tokenizer


def unigram(data):
    from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

    file = sentencepiece.ModelProto()
    file.ParseFromString(data)
    pieces = [(piece.piece, piece.score) for piece in file.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=file.trainer_spec.unk_id))
    characters = normalizers.Precompiled(file.normalizer_spec.precompiled_charsmap)
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), characters, spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    return tokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    options = parser.parse_args()
    tokenizer = load(options.backbone)
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    texts = [pair[0] if pair[1] is None else tuple(pair) for pair in json.loads(options.texts.read_text())]
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))
        seconds.append(time.perf_counter() - start)
    print(tokens, statistics.median(seconds))


if __name__ == "__main__":
    main()
