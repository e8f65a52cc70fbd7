"""Writes the golden files of the tokenizers' tests from Hugging Face's fast tokenizers.

    python Tests/Reference/make_tokenizer_golden.py [--backbone DIR --data DIR]

needs: tokenizers; the versions used stand in the written files, all in Tests/TokenizersTests/Golden:

    uncased/tokenizer.json           a small vocabulary of the sentences below, BERT's usual settings
    uncased-vocab/vocab.txt          the same vocabulary as lines
    cased/vocab.txt, …_config.json   a cased one
    added/tokenizer.json             with added tokens of every supported kind and text that is not cleaned
    cases.json                       texts and what each of these makes of them
    scalars.json                     for each 4,096 scalars, the SHA-256 of how they are normalised and cut
    glue.json                        with --backbone (all-MiniLM-L6-v2) and --data (GLUE): the SHA-256 of the tokens

In scalars.json every scalar c stands for the text "aǍc b.c" (A with caron shows that marks combine); hashed are,
for each, the normalised text, a line end, and its words, each followed by a line end. In glue.json each example is
hashed as the number of its tokens, their ids and their type ids, all little-endian 32-bit integers; maximum length 128.
"""

import argparse
import hashlib
import json
import random
from pathlib import Path

import tokenizers
from glue import read
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

GOLDEN = Path(__file__).resolve().parent.parent / "TokenizersTests" / "Golden"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

SENTENCES = """
The harbour master counted every barrel twice before the ship was allowed to leave.
Nobody in the village remembered who had planted the old walnut trees.
She opened the letter slowly, read one line, and laughed until she cried.
A film without a plot can still be worth two hours of anyone's evening.
It's raining again; the cellar won't stay dry unless we dig a proper drain.
Twenty-three students signed up, but only seventeen came to the first lecture.
Prices rose by 4.5% in March, 3.2% in April and fell slightly in May.
The quick experiment became a careful study of unhappiness among office workers.
„Wo ist die Straße zum Bahnhof?“, fragte die Frau in München.
Où est passée l'élève qui préparait son café près de la fenêtre ?
El niño pequeño comió piñas y bebió agua todo el día.
Привет, мир! Сегодня хорошая погода, и мы идём гулять.
Η Αθήνα είναι μια όμορφη πόλη το καλοκαίρι.
東京は日本の首都です。今日はいい天気ですね。
我们明天去北京看长城，你想一起去吗？
안녕하세요, 오늘은 날씨가 좋습니다.
مرحبا بالعالم، كيف حالك اليوم؟
שלום עולם, מה שלומך היום?
नमस्ते दुनिया, आज मौसम अच्छा है।
Việt Nam có nhiều món ăn ngon, như phở và bún chả.
Tokenizers cut unbelievable words into pieces: un, believ, able.
Email me at someone@example.org or call +1 (555) 010-9999 #now!
x = y^2 + 3*z - 4/5; if (x >= 10) { print("ok"); }
""".strip().split("\n")

HARD = [
    "", " ", "\t\n\r", "a", ".", "...", "[CLS]", "[SEP] [SEP]", "[MASK]", "the [MASK] sat", "[mask]", "[UNK][PAD]",
    "a[SEP]b", "[SEP", "[[SEP]]", "[ SEP ]", "##ing", "un##able", "# #", "-", "--", "don't", "e.g.,", "$5.00", "a_b",
    "UPPER lower MiXeD", "ÉCOLE école e\u0301cole", "Straße STRASSE", "İstanbul ISTANBUL ıstanbul", "ﬁne ﬂower ½ ²",
    "naïve café résumé", "A\u030a\u0323 a\u0323\u030a", "\u0301leading", "x\u0334\u0345\u0323y",
    "\u302e\u0301\u302f\u0323 \U0001d16d\u302f", "a\x00b", "a\x01b\x7fc\x85d", "soft\u00adhyphen", "zero\u200bwidth\u200djoin\ufeff",
    "\u202eright to left\u202c", "bad \ufffd here", "nbsp\u00a0here\u2003and\u3000there\u2028line\u2029end", "\u180e \u1680 \u205f",
    "\ue000private\U000f0000", "\u0378unassigned\U0001fbff", "東京tower", "北京です。テスト", "한국어", "각", "\u1100\u1161\u11a8",
    "\uf900\U0002f800 compatibility", "\U0002b739\U0002b81f\U0002b820\U0002b91f\U0002b920\U0002ceaf\U0002ceb0 extensions", "㐀䶿一鿿",
    "👩‍👩‍👧‍👦 family", "🇩🇪🇯🇵 flags", "👍🏽 thumb", "☃️ snow", "مرحبا بِالعَالَم", "שָׁלוֹם", "हिन्दी में", "ไทยภาษา", "ភាសាខ្មែរ", "தமிழ்",
    "Ελλάδα ΟΔΟΣ ὀδύσσεια", "Ѐѝ Йй", "ǅ ǆ Ǆ", "ẞ ß", "Å Å Å", "K K", "\u037e\u1fef\u2000", "“quotes” ‘single’ «guillemets»", "a—b–c…d",
    "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "e\u0301" * 100, "東" * 101, "👍" * 100, "👍" * 101, "b " * 300,
    "walnut" * 20, "unhappiness", "unhappinessless", "the\u0303 harbour", "tHE hARBOUR", "mañana", "12345678901234567890",
    "1,234.56", "http://example.org/a?b=c&d=%20#e", "\\n \\t \"quoted\"", "<s> </s> <pad>", "Ǆ\u0301\u0301\u0301", "Zalgo\u0300\u0301\u0302\u0303\u0323\u0331",
    " \u0301 ", "\u00a0", "a \u0301b", "、。・「」", "！？（）", "١٢٣ 四五", "ªº", "µm", "№ ™ ©", "\U0001e900\U0001e922", "\U00010400\U00010428", "\u1c90\u10d0 \u13a0\uab70",
]  # fmt: skip


def normalizer(lowercase):
    return normalizers.BertNormalizer(lowercase=lowercase)


def small(lowercase):
    """A tokenizer with the characters of the sentences, some beginnings and ends of words, and every other word.

    Not trained: the trainer breaks ties in no fixed order, and the files would be others at each run.
    """
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words = {word for text in SENTENCES for word, _ in split(normalizer(lowercase).normalize_str(text))}
    pieces = set(sorted(words)[::2])
    for word in words:
        pieces.update(word, [word[:3], word[:5]])
        pieces.update("##" + piece for piece in [*word, word[-3:], word[3:6], word[1:3]] if piece)
    vocabulary = {piece: index for index, piece in enumerate(SPECIAL + sorted(pieces - set(SPECIAL)))}
    return assembled(vocabulary, normalizer(lowercase))


def assembled(vocabulary, some_normalizer, added=()):
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = some_normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(list(added))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return tokenizer


def write_vocabulary(tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token, _ in tokens))


def make_tokenizers():
    uncased, cased = small(True), small(False)
    vocabulary = uncased.get_vocab()
    added = assembled(
        vocabulary,
        normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, lowercase=True, strip_accents=False),
        [
            AddedToken("Walnut TREE", normalized=True),
            AddedToken("<literal>", normalized=False),
            AddedToken("<lit", normalized=False, lstrip=True),
            AddedToken("ing", normalized=True, rstrip=True),
            AddedToken("東京", normalized=True, lstrip=True, rstrip=True),
        ],
    )
    (GOLDEN / "uncased").mkdir(parents=True, exist_ok=True)
    (GOLDEN / "added").mkdir(parents=True, exist_ok=True)
    # What a file says of truncation and padding must be without effect.
    uncased.enable_truncation(7)
    uncased.enable_padding(length=9)
    uncased.save(str(GOLDEN / "uncased" / "tokenizer.json"))
    uncased.no_padding()
    added.save(str(GOLDEN / "added" / "tokenizer.json"))
    write_vocabulary(uncased, GOLDEN / "uncased-vocab")
    write_vocabulary(cased, GOLDEN / "cased")
    (GOLDEN / "cased" / "tokenizer_config.json").write_text('{"do_lower_case": false}\n')
    return {"uncased": uncased, "uncased-vocab": uncased, "cased": cased, "added": added}


def inputs():
    """Texts, pairs and maximum lengths."""
    generator = random.Random(3)
    result = [(text, None, 128) for text in HARD + SENTENCES]
    result += [(HARD[index], HARD[-index - 1], 16) for index in range(0, len(HARD), 3)]
    words = [f"w{index}"[:2] for index in range(10)]
    for first, second in [(0, 0), (0, 5), (5, 0), (3, 3), (4, 3), (3, 4), (9, 2), (2, 9), (8, 7), (7, 8), (20, 20)]:
        pair = " ".join(words[0] for _ in range(first)), " ".join("." for _ in range(second))
        result += [(*pair, length) for length in (3, 4, 5, 6, 7, 8, 9, 12)]
    result += [("one two three four five six", None, length) for length in (2, 3, 4, 5, 7)]
    pieces = HARD + [" ", " ", "<literal>", " <lit", "walnut tree", "Walnut  TREE", "running", "going ", "東京 ", " 東京"]
    for _ in range(60):
        text = "".join(generator.choice(pieces)[:30] for _ in range(generator.randint(1, 6)))
        result.append((text, None, 64))
    return result


def encoded(tokenizer, first, second, length):
    tokenizer.enable_truncation(length, strategy="longest_first")
    encoding = tokenizer.encode(first, second)
    return encoding.ids, encoding.type_ids


def write_cases(made):
    lines = []
    for first, second, length in inputs():
        case = {"first": first, "second": second, "maximumLength": length}
        for name, tokenizer in made.items():
            if name != "uncased-vocab":
                case[name] = dict(zip(("ids", "typeIDs"), encoded(tokenizer, first, second, length)))
        lines.append(json.dumps(case, separators=(",", ":")))
    with (GOLDEN / "cases.json").open("w") as file:
        file.write(f'{{"versions":"tokenizers {tokenizers.__version__}","cases":[\n' + ",\n".join(lines) + "\n]}\n")


def write_scalars():
    normalize = normalizer(True).normalize_str
    words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    digests = []
    for start in range(0, 0x110000, 4096):
        digest = hashlib.sha256()
        for scalar in range(start, start + 4096):
            if 0xD800 <= scalar < 0xE000:
                continue
            text = normalize(f"a\u01cd{chr(scalar)} b.{chr(scalar)}")
            lines = [text] + [word for word, _ in words(text)]
            digest.update("".join(f"{line}\n" for line in lines).encode())
        digests.append(digest.hexdigest())
    value = {"versions": f"tokenizers {tokenizers.__version__}", "digests": digests}
    (GOLDEN / "scalars.json").write_text(json.dumps(value, indent=0) + "\n")


def write_glue(backbone, data):
    tokenizer = Tokenizer.from_file(f"{backbone}/tokenizer.json")
    tokenizer.no_padding()
    files = {}
    for task in ("RTE", "CoLA", "STS-B"):
        for split in ("train", "dev"):
            digest = hashlib.sha256()
            for first, second, _ in read(data, task, split):
                ids, type_ids = encoded(tokenizer, first, second, 128)
                for number in [len(ids), *ids, *type_ids]:
                    digest.update(number.to_bytes(4, "little"))
            files[f"{task}/{split}"] = digest.hexdigest()
    value = {"versions": f"tokenizers {tokenizers.__version__}", "maximumLength": 128, "files": files}
    (GOLDEN / "glue.json").write_text(json.dumps(value, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone")
    parser.add_argument("--data")
    options = parser.parse_args()
    write_cases(make_tokenizers())
    write_scalars()
    if options.backbone and options.data:
        write_glue(options.backbone, options.data)


if __name__ == "__main__":
    main()
